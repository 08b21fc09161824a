package banner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"auditbridge/internal/durable"
	"auditbridge/internal/terminal"

	"golang.org/x/sys/unix"
)

// hookTime is how long a hook may run.
const hookTime = 10 * time.Second

// hookEnvironment is all of it: what we were started with is nobody's business.
var hookEnvironment = []string{"PATH=/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C", "HOME=/"}

// CheckProgram says why the program at path is not one to start as root: it must
// be a regular file, named from the root, and it and all directories above it
// root's (or ours), and writable for nobody else.
func CheckProgram(path string) error {
	if !filepath.IsAbs(path) {
		return &durable.PathError{Path: path, Why: "is not an absolute path"}
	}
	dir, err := durable.OpenDir(filepath.Dir(path), 0, -1)
	if err != nil {
		return err
	}
	dir.Close()
	f, err := durable.OpenRegular(path)
	if err != nil {
		return err
	}
	defer f.Close()
	var st unix.Stat_t
	if err := unix.Fstat(int(f.Fd()), &st); err != nil {
		return err
	}
	switch {
	case st.Uid != 0 && int(st.Uid) != os.Geteuid():
		return &durable.PathError{Path: path, Why: fmt.Sprintf("belongs to uid %d", st.Uid)}
	case st.Mode&0o022 != 0:
		return &durable.PathError{Path: path, Why: fmt.Sprintf("may be written by others (mode %04o)", st.Mode&0o7777)}
	case st.Mode&0o100 == 0:
		return &durable.PathError{Path: path, Why: fmt.Sprintf("cannot be executed (mode %04o)", st.Mode&0o7777)}
	}
	return nil
}

// RunHook starts the program at path with what as one JSON object on its standard
// input, and waits until it ends, for a limited time: after that it and its
// children are killed. What it says is part of the error when it fails.
func RunHook(ctx context.Context, path string, what any) error {
	input, err := json.Marshal(what)
	if err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	return runProgram(ctx, append(input, '\n'), hookTime, path)
}

// runProgram starts a program of root's in a process group of its own.
func runProgram(ctx context.Context, input []byte, limit time.Duration, path string, args ...string) error {
	if err := CheckProgram(path); err != nil {
		return fmt.Errorf("run %s: %w", path, err)
	}
	limited, cancel := context.WithTimeout(ctx, limit)
	defer cancel()
	cmd := exec.CommandContext(limited, path, args...)
	said := &beginning{}
	cmd.Dir, cmd.Env, cmd.Stdin, cmd.Stdout, cmd.Stderr = "/", hookEnvironment, bytes.NewReader(input), said, said
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return unix.Kill(-cmd.Process.Pid, unix.SIGKILL) }
	cmd.WaitDelay = time.Second // for children that hold its output open
	err := cmd.Run()
	switch {
	case errors.Is(limited.Err(), context.DeadlineExceeded):
		return fmt.Errorf("run %s: it was not done after %v and was killed", path, limit)
	case err != nil:
		return fmt.Errorf("run %s: %w: %s", path, err, terminal.Safe(strings.TrimSpace(said.String())))
	}
	return nil
}

// beginning keeps the beginning of what a program says.
type beginning struct{ bytes.Buffer }

func (b *beginning) Write(p []byte) (int, error) {
	const most = 2000
	b.Buffer.Write(p[:min(len(p), max(0, most-b.Len()))])
	return len(p), nil
}
