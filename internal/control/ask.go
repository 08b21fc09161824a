package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"net"
	"syscall"
)

// ErrNotRunning is wrapped when nobody listens.
var ErrNotRunning = errors.New("auditbridge run is not running")

// Ask asks the process that listens at path and decodes its answer into answer.
// The errors: ErrNotRunning, os.ErrPermission, what the process refused with, or
// that of ctx.
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

func exchange(ctx context.Context, path, what string, args any) (r response, err error) {
	conn, err := (&net.Dialer{}).DialContext(ctx, "unix", path)
	if errors.Is(err, fs.ErrNotExist) || errors.Is(err, syscall.ECONNREFUSED) {
		return r, ErrNotRunning
	}
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
