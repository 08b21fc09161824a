package tunnel

import (
	"fmt"
	"slices"

	"auditbridge/internal/terminal"

	"golang.org/x/crypto/ssh"
)

// A server may open channels towards us, and ask for things (RFC 4254 sections 4
// and 5.1): to be connected to somebody, to use our keys, to show us a window. Nobody
// here offered that, so all of it is refused. A client that is taken over is how a
// server that was would get into the audited host.

// UnaskedError: the server wants what nobody offered.
type UnaskedError struct {
	Server string
	What   string // the first thing that it wanted, in its words
	Ended  bool   // it went on until the connection was ended
}

func (e *UnaskedError) Error() string {
	if e.Ended {
		return fmt.Sprintf("%s went on to want what was never offered; the last was %s", e.Server, e.What)
	}
	return fmt.Sprintf("%s wants what was never offered, and is refused: %s", e.Server, e.What)
}

// Hint says what to do.
func (e *UnaskedError) Hint() string {
	return "no SSH server needs that of a client that forwards; find out what runs at " + e.Server
}

// everyday is what an honest OpenSSH asks of every client: whether it is there, and to
// learn its other host keys, which nobody does.
var everyday = []string{"keepalive@openssh.com", "hostkeys-00@openssh.com"}

// maxUnasked is how often a connection is refused something before it is ended.
const maxUnasked = 1000

// refuseChannels and refuseRequests answer what the server begins, until the
// connection ends.
func (s *session) refuseChannels(opened <-chan ssh.NewChannel) {
	for c := range opened {
		s.wanted("a channel of type " + c.ChannelType())
		c.Reject(ssh.Prohibited, "not offered")
	}
}

func (s *session) refuseRequests(asked <-chan *ssh.Request) {
	for r := range asked {
		if !slices.Contains(everyday, r.Type) {
			s.wanted("the request " + r.Type)
		}
		if r.WantReply {
			r.Reply(false, nil)
		}
	}
}

// wanted tells what the server wanted, once a connection.
func (s *session) wanted(what string) {
	err := &UnaskedError{Server: s.cfg.server(), What: terminal.Safe(fewWords(what))}
	switch s.unasked.Add(1) {
	case 1:
		s.warn(err)
	case maxUnasked:
		err.Ended = true
		s.fail(err)
	}
}
