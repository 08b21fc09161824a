package deputy

import (
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"syscall"

	"golang.org/x/sys/unix"
)

// Serve obeys the orders that come on descriptor fd, one after another, until its
// other end is gone. judge says of each why it is refused.
func Serve(fd int, judge func(Order) error) error {
	line, err := lineOn(fd)
	if err != nil {
		return fmt.Errorf("take up the line: %w", err)
	}
	defer line.Close()
	for {
		var l letter
		files, err := receive(line, &l)
		if errors.Is(err, io.EOF) {
			return nil
		}
		if err == nil && len(files) == 0 {
			err = errors.New("there is nothing to answer on")
		}
		if err == nil {
			err = obey(l, files, judge)
		}
		closeAll(files)
		if err != nil {
			return fmt.Errorf("take an order: %w", err)
		}
	}
}

// obey carries an order out and answers it on the first of the files.
func obey(l letter, files []*os.File, judge func(Order) error) error {
	fd, err := unix.FcntlInt(files[0].Fd(), unix.F_DUPFD_CLOEXEC, 0)
	if err != nil {
		return err
	}
	reply, err := lineOn(fd)
	if err != nil {
		return err
	}
	defer reply.Close()
	o, err := l.unfold(files[1:])
	if err == nil {
		err = judge(o)
	}
	var a answer
	var along []*os.File
	switch {
	case err != nil:
	case o.Listen != "":
		var socket *os.File
		if socket, err = listen(o.Listen); err == nil {
			defer socket.Close()
			along = append(along, socket)
		}
	default:
		a.PID, err = o.start()
	}
	if err != nil {
		a.Error = err.Error()
	}
	post(reply, a, along...) // who does not wait for it does not care
	return nil
}

// unfold puts the descriptors where they belong.
func (l letter) unfold(files []*os.File) (Order, error) {
	o := l.Order
	take := func(wanted bool) (f *os.File) {
		if wanted && len(files) > 0 {
			f, files = files[0], files[1:]
		}
		return f
	}
	o.Program, o.Output = take(l.WithProgram), take(l.WithOutput)
	o.Files = files
	if o.Listen == "" && (len(o.Args) == 0 || (o.Path == "") == (o.Program == nil)) {
		return o, errors.New("an order that names no program")
	}
	return o, nil
}

func listen(address string) (*os.File, error) {
	l, err := net.Listen("tcp", address)
	if err != nil {
		return nil, err
	}
	defer l.Close()
	return l.(*net.TCPListener).File() // a duplicate
}

// start starts the program, in a process group of its own, as a child of our
// parent.
func (o Order) start() (pid int, err error) {
	path := o.Path
	if path == "" { // by a descriptor that is out of the way of those the program gets
		fd, err := unix.FcntlInt(o.Program.Fd(), unix.F_DUPFD_CLOEXEC, 4*mostFiles)
		if err != nil {
			return 0, err
		}
		defer unix.Close(fd)
		path = fmt.Sprintf("/proc/self/fd/%d", fd)
	} else if err := unix.Access(path, unix.X_OK); err != nil {
		// Found out by the new process, this would leave our parent with a child
		// that it does not know.
		return 0, fmt.Errorf("execute %s: %w", path, err)
	}
	cmd := exec.Command(path)
	cmd.Args, cmd.Env, cmd.Dir = o.Args, o.Env, "/"
	cmd.Stderr = os.Stderr
	if o.Output != nil {
		cmd.Stdout, cmd.Stderr = o.Output, o.Output
	}
	cmd.ExtraFiles = o.Files
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true, Cloneflags: unix.CLONE_PARENT}
	if o.User != nil {
		cmd.SysProcAttr.Credential = &syscall.Credential{Uid: o.User.UID, Gid: o.User.GID, Groups: o.User.Groups}
	}
	if err := cmd.Start(); err != nil {
		return 0, err
	}
	pid = cmd.Process.Pid
	return pid, cmd.Process.Release() // it is not ours to wait for
}

func closeAll(files []*os.File) {
	for _, f := range files {
		f.Close()
	}
}
