package deputy

import (
	"encoding/json"
	"fmt"
	"net"
	"os"

	"golang.org/x/sys/unix"
)

// Order is what is to be done: a program to start, or an address to listen on.
type Order struct {
	Args []string `json:"args,omitempty"` // of the program, its name first
	Path string   `json:"path,omitempty"` // of the program; when empty, Program is it
	Env  []string `json:"env,omitempty"`  // all that the program gets
	User *User    `json:"user,omitempty"` // whom to start it as; nil: the deputy's own

	Listen string `json:"listen,omitempty"` // a TCP address

	Program *os.File   `json:"-"` // an executable file
	Output  *os.File   `json:"-"` // where the program writes; nil: where the deputy does
	Files   []*os.File `json:"-"` // the program's descriptors from 3 on
}

// User is whom a program runs as.
type User struct {
	UID    uint32   `json:"uid"`
	GID    uint32   `json:"gid"`
	Groups []uint32 `json:"groups,omitempty"`
}

// letter is an order under way. The descriptors that go along are those named
// here, in this order, behind the one on which it is answered.
type letter struct {
	Order
	WithProgram bool `json:"with_program,omitempty"`
	WithOutput  bool `json:"with_output,omitempty"`
}

// answer says how the order was obeyed. A listening socket goes along.
type answer struct {
	PID   int    `json:"pid,omitempty"`
	Error string `json:"error,omitempty"`
}

const (
	mostBytes = 64 << 10 // of an order
	mostFiles = 16       // that go along
)

func post(on *net.UnixConn, message any, files ...*os.File) error {
	text, err := json.Marshal(message)
	if err != nil {
		return err
	}
	if len(text) > mostBytes || len(files) > mostFiles {
		return fmt.Errorf("%d bytes and %d descriptors are too much", len(text), len(files))
	}
	var rights []byte
	if len(files) > 0 {
		var fds []int
		for _, f := range files {
			fds = append(fds, int(f.Fd()))
		}
		rights = unix.UnixRights(fds...)
	}
	_, _, err = on.WriteMsgUnix(text, rights, nil)
	return err
}

// receive returns io.EOF when the other end is gone. The files are the caller's,
// also when there is an error.
func receive(on *net.UnixConn, into any) (files []*os.File, err error) {
	text, rights := make([]byte, mostBytes), make([]byte, unix.CmsgSpace(4*mostFiles))
	n, r, _, _, err := on.ReadMsgUnix(text, rights)
	if err != nil {
		return nil, err
	}
	messages, err := unix.ParseSocketControlMessage(rights[:r])
	if err != nil {
		return nil, err
	}
	for _, m := range messages {
		fds, err := unix.ParseUnixRights(&m)
		if err != nil {
			return files, err
		}
		for _, fd := range fds {
			files = append(files, os.NewFile(uintptr(fd), "handed over"))
		}
	}
	return files, json.Unmarshal(text[:n], into)
}

// pair makes two ends of a line that keeps messages apart.
func pair() (ours *net.UnixConn, theirs *os.File, err error) {
	fds, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_SEQPACKET|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return nil, nil, err
	}
	theirs = os.NewFile(uintptr(fds[1]), "a line")
	if ours, err = lineOn(fds[0]); err != nil {
		theirs.Close()
	}
	return ours, theirs, err
}

// lineOn takes the descriptor over, also when there is an error.
func lineOn(fd int) (*net.UnixConn, error) {
	f := os.NewFile(uintptr(fd), "a line")
	defer f.Close()
	conn, err := net.FileConn(f) // a duplicate
	if err != nil {
		return nil, err
	}
	line, is := conn.(*net.UnixConn)
	if !is {
		conn.Close()
		return nil, fmt.Errorf("descriptor %d is no Unix socket", fd)
	}
	return line, nil
}
