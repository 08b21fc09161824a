package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"path/filepath"
	"syscall"

	"auditbridge/internal/durable"
)

// ErrNotRunning is wrapped when nobody listens.
var ErrNotRunning = errors.New("auditbridge run is not running")

// ForeignError is wrapped when somebody answers who is neither root nor
// ourselves: what it says is worth nothing.
type ForeignError struct{ Peer }

func (e *ForeignError) Error() string {
	return fmt.Sprintf("process %d of uid %s listens there, neither root's nor ours", e.PID, userName(e.UID))
}

// Ask asks the process that listens at path and decodes its answer into answer.
// Nobody is asked where another user could have put himself. The errors:
// ErrNotRunning, os.ErrPermission, *durable.PathError, *ForeignError, what the
// process refused with, or that of ctx.
func Ask(ctx context.Context, path, what string, args, answer any) error {
	r, err := exchange(ctx, path, what, args)
	if err != nil {
		return fmt.Errorf("ask %s for %s: %w", path, what, err)
	}
	if r.Error != "" {
		return fmt.Errorf("ask %s for %s: refused: %s", path, what, r.Error)
	}
	if err := json.Unmarshal(r.Answer, answer); err != nil {
		return fmt.Errorf("ask %s for %s: the answer is not understood: %w", path, what, err)
	}
	return nil
}

// Who says which process listens at path, whether it answers or not: one that is
// stopped does not. The errors are those of Ask.
func Who(ctx context.Context, path string) (Peer, error) {
	conn, who, err := dial(ctx, path)
	if err != nil {
		return who, fmt.Errorf("find out who listens at %s: %w", path, err)
	}
	conn.Close()
	return who, nil
}

func exchange(ctx context.Context, path, what string, args any) (r response, err error) {
	conn, _, err := dial(ctx, path)
	if err != nil {
		return r, err
	}
	defer conn.Close()
	if deadline, set := ctx.Deadline(); set {
		if err := conn.SetDeadline(deadline); err != nil {
			return r, err
		}
	}
	question := request{Ask: what}
	if args != nil {
		if question.Args, err = json.Marshal(args); err != nil {
			return r, err
		}
	}
	if err := json.NewEncoder(conn).Encode(question); err != nil {
		return r, err
	}
	return r, json.NewDecoder(conn).Decode(&r)
}

// dial connects to whoever listens at path and may be believed.
func dial(ctx context.Context, path string) (net.Conn, Peer, error) {
	dir, err := durable.OpenDir(filepath.Dir(path), 0, -1)
	if errors.Is(err, fs.ErrNotExist) {
		return nil, Peer{}, ErrNotRunning
	}
	if err != nil {
		return nil, Peer{}, err
	}
	defer dir.Close()
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return nil, Peer{}, ErrNotRunning
	}
	if err != nil {
		return nil, Peer{}, err
	}
	who, err := peerOf(conn.(*net.UnixConn))
	if err == nil && !who.trusted() {
		err = &ForeignError{who}
	}
	if err != nil {
		conn.Close()
		return nil, who, err
	}
	return conn, who, nil
}
