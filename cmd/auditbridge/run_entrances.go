package main

import (
	"errors"
	"fmt"
	"io/fs"
	"net"
	"os"

	"auditbridge/forward"
	"auditbridge/forward/entrance"
	"auditbridge/internal/unixsocket"
)

// listenAt takes the socket by which other programs come to a tunnel: a Unix socket
// ourselves, a TCP port by the deputy, for run has no network. It listens from then on;
// that somebody is let in is for the ship that gets it.
func (d *daemon) listenAt(e entrance.Config) (forward.Socket, error) {
	if e.Socket != "" {
		return takeEntrance(e.Socket, e.UIDs)
	}
	listener, err := d.deputy.Listen(e.Place())
	if err != nil {
		return nil, fmt.Errorf("listen on %s: %w", e.Place(), err)
	}
	return entrancePort{listener.(*net.TCPListener)}, nil
}

// entrancePort is a TCP port, which is found for as long as it is ours.
type entrancePort struct{ *net.TCPListener }

func (entrancePort) Found() error { return nil }

// entranceSocket is a Unix socket and the file by which it is found.
type entranceSocket struct {
	*net.UnixListener
	path string
	file fs.FileInfo
}

// takeEntrance lets everybody come as far as ship's question who he is when anybody but
// root may come in: the kernel knows no list of users. Where nobody else may, the kernel
// itself keeps the others out.
func takeEntrance(path string, uids []uint32) (forward.Socket, error) {
	mode := os.FileMode(0o600)
	for _, uid := range uids {
		if uid != 0 {
			mode = 0o666
		}
	}
	listener, err := unixsocket.Listen(path, mode, -1)
	if err != nil {
		return nil, err
	}
	listener.SetUnlinkOnClose(false)
	file, err := os.Lstat(path)
	if err != nil {
		listener.Close()
		return nil, fmt.Errorf("listen on %s: %w", path, err)
	}
	return &entranceSocket{listener, path, file}, nil
}

// Found refuses a file that is gone, or another's by now.
func (s *entranceSocket) Found() error {
	now, err := os.Lstat(s.path)
	if err == nil && !os.SameFile(now, s.file) {
		err = errors.New("there is another file")
	}
	if err != nil {
		return fmt.Errorf("somebody took the socket away: %w", err)
	}
	return nil
}

// Close takes the file away, where it is found.
func (s *entranceSocket) Close() error {
	err := s.UnixListener.Close()
	if s.Found() == nil {
		err = errors.Join(err, os.Remove(s.path))
	}
	return err
}
