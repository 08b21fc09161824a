package banner

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os/exec"
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
	if err := durable.CheckProgram(path); err != nil {
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
