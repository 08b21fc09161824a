package deputy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"
	"time"

	"golang.org/x/sys/unix"
)

// LineFD is the descriptor on which a deputy finds its line.
const LineFD = 3

// Deputy is the line to one, for whoever gives the orders.
type Deputy struct {
	line *net.UnixConn
	pid  int
}

// Begin starts cmd as the deputy. It must not be given an order by anybody else,
// so the line closes at every execve.
func Begin(cmd *exec.Cmd) (*Deputy, error) {
	line, theirs, err := pair()
	if err != nil {
		return nil, fmt.Errorf("make a line: %w", err)
	}
	defer theirs.Close()
	cmd.ExtraFiles = []*os.File{theirs} // LineFD
	if err := cmd.Start(); err != nil {
		line.Close()
		return nil, err
	}
	return &Deputy{line: line, pid: cmd.Process.Pid}, nil
}

// Inherited is a deputy that another program of this process began: its line is
// the descriptor fd, which is taken over.
func Inherited(fd, pid int) (*Deputy, error) {
	line, err := lineOn(fd)
	if err != nil {
		return nil, fmt.Errorf("take up the line on descriptor %d: %w", fd, err)
	}
	return &Deputy{line: line, pid: pid}, nil
}

// Bequeath returns what Inherited takes: a descriptor that stays open in the
// program that comes. Close is not to be called.
func (d *Deputy) Bequeath() (fd, pid int, err error) {
	raw, err := d.line.SyscallConn()
	if err != nil {
		return -1, 0, err
	}
	failed := raw.Control(func(line uintptr) { fd, err = syscall.Dup(int(line)) })
	return fd, d.pid, errors.Join(failed, err)
}

// PID is the deputy's.
func (d *Deputy) PID() int { return d.pid }

// Gone says that it has died. Every order fails from then on.
func (d *Deputy) Gone() (gone bool) {
	raw, err := d.line.SyscallConn()
	if err != nil {
		return true
	}
	raw.Control(func(line uintptr) {
		events := []unix.PollFd{{Fd: int32(line)}} // that the other end has gone is always said
		n, err := unix.Poll(events, 0)
		gone = err == nil && n > 0
	})
	return gone
}

// Close dismisses the deputy and waits until it has ended.
func (d *Deputy) Close() error {
	if err := d.line.Close(); err != nil {
		return err
	}
	d.wake()
	for {
		if _, err := syscall.Wait4(d.pid, nil, 0, nil); err != syscall.EINTR {
			return nil // or somebody else has waited for it
		}
	}
}

// wake has a deputy go on that somebody has stopped: a halt must not wait for it.
func (d *Deputy) wake() { syscall.Kill(d.pid, syscall.SIGCONT) }

// wakeAgain is how often a deputy is woken that does not answer.
const wakeAgain = time.Second

// ErrGone is the error of every order once the deputy has died.
var ErrGone = errors.New("the deputy has died")

// send puts an order on the line and waits for the answer. The files are the
// caller's, unless there is an error.
func (d *Deputy) send(o Order) (a answer, files []*os.File, err error) {
	reply, theirs, err := pair()
	if err != nil {
		return a, nil, err
	}
	defer reply.Close()
	along := []*os.File{theirs}
	for _, f := range []*os.File{o.Program, o.Output} {
		if f != nil {
			along = append(along, f)
		}
	}
	d.wake()
	err = post(d.line, letter{o, o.Program != nil, o.Output != nil}, append(along, o.Files...)...)
	theirs.Close()
	for err == nil {
		reply.SetReadDeadline(time.Now().Add(wakeAgain))
		if files, err = receive(reply, &a); !errors.Is(err, os.ErrDeadlineExceeded) {
			break
		}
		d.wake()
		err = nil
	}
	switch {
	case errors.Is(err, io.EOF), errors.Is(err, syscall.EPIPE), errors.Is(err, syscall.ECONNRESET):
		err = ErrGone
	case err == nil && a.Error != "":
		err = errors.New(a.Error)
	}
	if err != nil {
		closeAll(files)
	}
	return a, files, err
}

// Start starts a program.
func (d *Deputy) Start(o Order) (*Process, error) {
	a, files, err := d.send(o)
	if err != nil {
		return nil, err
	}
	closeAll(files)
	if a.PID <= 1 { // what Kill would make of it
		return nil, fmt.Errorf("the deputy says that it started process %d", a.PID)
	}
	return &Process{PID: a.PID}, nil
}

// Listen listens on a TCP address.
func (d *Deputy) Listen(address string) (net.Listener, error) {
	_, files, err := d.send(Order{Listen: address})
	if err != nil {
		return nil, err
	}
	defer closeAll(files)
	if len(files) != 1 {
		return nil, fmt.Errorf("%d descriptors were handed over, not one", len(files))
	}
	return net.FileListener(files[0])
}

// Run runs the program at args[0] to its end. The end of ctx kills it. An error
// has the beginning of what it wrote.
func (d *Deputy) Run(ctx context.Context, args []string) error {
	reader, writer, err := os.Pipe()
	if err != nil {
		return fmt.Errorf("run %q: %w", args, err)
	}
	defer reader.Close()
	p, err := d.Start(Order{Path: args[0], Args: args, Output: writer})
	writer.Close()
	if err != nil {
		return fmt.Errorf("run %q: %w", args, err)
	}
	defer context.AfterFunc(ctx, func() { p.Kill() })()
	wrote := make(chan []byte, 1)
	go func() {
		beginning, _ := io.ReadAll(io.LimitReader(reader, 1<<10))
		io.Copy(io.Discard, reader)
		wrote <- beginning
	}()
	err = p.Wait()
	reader.SetReadDeadline(time.Now().Add(lingering)) // what it left behind may keep the pipe open
	said := <-wrote
	if err != nil {
		return fmt.Errorf("run %q: %w: %s", args, err, bytes.TrimSpace(said))
	}
	return nil
}

// lingering is how long the output of a program is read after its end.
const lingering = time.Second
