// Package control lets commands ask the running process: one JSON request per
// line over a Unix socket, one JSON answer per line. Who asks is known from the
// kernel (SO_PEERCRED), and only root and the user run runs as are answered.
package control

import (
	"bufio"
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/user"
	"strconv"
	"sync"
	"time"

	"auditbridge/internal/unixsocket"

	"golang.org/x/sys/unix"
)

// SocketName is the socket's name in run-dir.
const SocketName = "control.sock"

// Peer is who asks, as the kernel says.
type Peer struct {
	PID      int
	UID, GID uint32
	LoginUID uint32 // of the person; 1<<32-1 where nobody logged in, or it cannot be told any more
	Session  uint32 // the same
}

// trusted reports whether the peer is root or the user we run as.
func (p Peer) trusted() bool { return p.UID == 0 || p.UID == uint32(os.Geteuid()) }

// userName is a uid with its name where that is known: 65534 (nobody).
func userName(uid uint32) string {
	number := strconv.FormatUint(uint64(uid), 10)
	if u, err := user.LookupId(number); err == nil {
		return number + " (" + u.Username + ")"
	}
	return number
}

// Handler answers one kind of question. args is what the request carries; the
// answer is encoded as JSON.
type Handler func(ctx context.Context, who Peer, args json.RawMessage) (any, error)

type request struct {
	Ask  string          `json:"ask"`
	Args json.RawMessage `json:"args,omitempty"`
}

type response struct {
	Answer json.RawMessage `json:"answer,omitempty"`
	Error  string          `json:"error,omitempty"`
}

const (
	maxRequest = 64 << 10        // bytes of a request line
	maxPeers   = 16              // connections at a time; more wait
	patience   = 5 * time.Second // for a peer to send its request or take its answer
)

// Server answers on one socket.
type Server struct {
	// Denied is told of each peer that reached the socket and may not ask, and of
	// what it asked, "" when that is not understood. It may be nil; it is set
	// before Run.
	Denied func(who Peer, what string)

	listener *net.UnixListener
	handlers map[string]Handler
	log      *slog.Logger
}

// Listen takes the socket at path, with mode 0600, in place of one that a dead
// process left. It is an error when somebody answers there already. It starts
// nothing: Run does.
func Listen(path string, handlers map[string]Handler, log *slog.Logger) (*Server, error) {
	l, err := unixsocket.Listen(path, 0o600, -1)
	if err != nil {
		return nil, err
	}
	return &Server{listener: l, handlers: handlers, log: log}, nil
}

// Run answers until ctx ends, and removes the socket.
func (s *Server) Run(ctx context.Context) error {
	stop := context.AfterFunc(ctx, func() { s.listener.Close() })
	defer stop()
	defer s.listener.Close()
	var peers sync.WaitGroup
	defer peers.Wait()
	room := make(chan struct{}, maxPeers)
	for {
		conn, err := s.listener.AcceptUnix()
		if err != nil {
			if ctx.Err() != nil || errors.Is(err, net.ErrClosed) {
				return nil
			}
			s.log.Error("a peer on the control socket was not let in", "error", err)
			select {
			case <-ctx.Done():
				return nil
			case <-time.After(100 * time.Millisecond):
			}
			continue
		}
		room <- struct{}{}
		peers.Go(func() {
			defer func() { <-room }()
			defer conn.Close()
			s.serve(ctx, conn)
		})
	}
}

// serve answers one peer's requests, one after another.
func (s *Server) serve(ctx context.Context, conn *net.UnixConn) {
	stop := context.AfterFunc(ctx, func() { conn.SetReadDeadline(time.Now()) }) // an answer under way is given
	defer stop()
	who, err := peerOf(conn)
	if err != nil {
		s.log.Error("a peer on the control socket cannot be told", "error", err)
		return
	}
	lines := bufio.NewReaderSize(conn, maxRequest)
	for ctx.Err() == nil {
		conn.SetDeadline(time.Now().Add(patience))
		line, err := lines.ReadSlice('\n')
		if errors.Is(err, bufio.ErrBufferFull) {
			s.answer(conn, response{Error: fmt.Sprintf("the request is longer than %d bytes", maxRequest)})
			return
		}
		if err != nil {
			return
		}
		r := s.respond(ctx, who, line)                  // which may take its time
		conn.SetWriteDeadline(time.Now().Add(patience)) // the peer has not begun to take any
		if !s.answer(conn, r) {
			return
		}
	}
}

func (s *Server) respond(ctx context.Context, who Peer, line []byte) response {
	if !who.trusted() {
		s.log.Warn("refused on the control socket", "uid", userName(who.UID), "pid", who.PID)
		if s.Denied != nil {
			var r request
			json.Unmarshal(line, &r) // what is not understood has asked for nothing
			s.Denied(who, r.Ask)
		}
		return response{Error: fmt.Sprintf("uid %s may not ask: only root and the user auditbridge runs as may", userName(who.UID))}
	}
	var r request
	d := json.NewDecoder(bytes.NewReader(line))
	d.DisallowUnknownFields()
	if err := d.Decode(&r); err != nil {
		return response{Error: "the request is not understood: " + err.Error()}
	}
	handle, known := s.handlers[r.Ask]
	if !known {
		return response{Error: fmt.Sprintf("%q cannot be asked", r.Ask)}
	}
	answer, err := handle(ctx, who, r.Args)
	if err != nil {
		return response{Error: err.Error()}
	}
	text, err := json.Marshal(answer)
	if err != nil {
		return response{Error: "the answer cannot be encoded: " + err.Error()}
	}
	return response{Answer: text}
}

func (s *Server) answer(w io.Writer, r response) bool {
	text, err := json.Marshal(r)
	if err != nil {
		return false
	}
	_, err = w.Write(append(text, '\n'))
	return err == nil
}

func peerOf(conn *net.UnixConn) (Peer, error) {
	raw, err := conn.SyscallConn()
	if err != nil {
		return Peer{}, err
	}
	var cred *unix.Ucred
	var credErr error
	if err := raw.Control(func(fd uintptr) {
		cred, credErr = unix.GetsockoptUcred(int(fd), unix.SOL_SOCKET, unix.SO_PEERCRED)
	}); err != nil {
		return Peer{}, err
	}
	if credErr != nil {
		return Peer{}, credErr
	}
	return Peer{int(cred.Pid), cred.Uid, cred.Gid, ofLogin(cred.Pid, "loginuid"), ofLogin(cred.Pid, "sessionid")}, nil
}

// ofLogin reads what the kernel keeps of a process's login; a process that is
// gone has none.
func ofLogin(pid int32, name string) uint32 {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/%s", pid, name))
	n, parseErr := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 32)
	if err != nil || parseErr != nil {
		return 1<<32 - 1
	}
	return uint32(n)
}
