package deputy

import (
	"fmt"
	"os"
	"sync"
	"syscall"

	"golang.org/x/sys/unix"
)

// Process is a program that the deputy has started, and our child.
type Process struct {
	PID int

	mu    sync.Mutex
	ended bool // it has been waited for: its pid may be another's by now
}

// Kill kills it, and all of its process group.
func (p *Process) Kill() error {
	p.mu.Lock()
	defer p.mu.Unlock()
	if p.ended {
		return os.ErrProcessDone
	}
	return syscall.Kill(-p.PID, syscall.SIGKILL)
}

// Wait returns when it has ended; nil when it said that all went well. It is to
// be called once.
func (p *Process) Wait() error {
	for { // it keeps its pid until we know that nobody kills it any more
		err := unix.Waitid(unix.P_PID, p.PID, nil, unix.WEXITED|unix.WNOWAIT, nil)
		if err == nil {
			break
		}
		if err != unix.EINTR {
			return fmt.Errorf("wait for process %d: %w", p.PID, err)
		}
	}
	p.mu.Lock()
	defer p.mu.Unlock()
	p.ended = true
	var state syscall.WaitStatus
	if _, err := syscall.Wait4(p.PID, &state, 0, nil); err != nil {
		return fmt.Errorf("wait for process %d: %w", p.PID, err)
	}
	switch {
	case state.Signaled():
		return fmt.Errorf("signal: %v", state.Signal())
	case state.ExitStatus() != 0:
		return fmt.Errorf("exit status %d", state.ExitStatus())
	}
	return nil
}
