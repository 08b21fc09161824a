package auditbridge

import (
	"errors"
	"fmt"
	"os"
	"time"

	"golang.org/x/sys/unix"
)

// Inheritance is what an owner of kernel audit leaves to whoever goes on: another
// program in the same process, or another process after its death. The zero value
// is nothing.
//
// The kernel knows its owner by a process and by the socket that was registered
// (kernel/audit.c, auditd_set), not by a program, and it goes on delivering to the
// socket for as long as anybody has it open.
type Inheritance struct {
	// Socket is the descriptor of the socket, from OpenKernel on the heir's to
	// close; 0 when there is none.
	Socket int
	// Found is what kernel audit was like before it was first taken; nil when that
	// is not known: then it is as the heir finds it.
	Found *Status
	// Seen is which serials had come; the zero value when that is not known.
	Seen Seen
}

// ErrHandOver as the cause of its context's end makes Kernel.Run leave the kernel
// as it is.
var ErrHandOver = errors.New("another program takes over")

// Bequeath says what to hand over when Run was ended by ErrHandOver. The
// descriptor is another one of the same socket, which Close leaves open, and so
// does the start of another program. The rules that exempt us are the heir's, too.
func (k *Kernel) Bequeath() (Inheritance, error) {
	k.exemption.leave()
	socket, err := unix.Dup(k.socket.fd)
	if err != nil {
		return Inheritance{}, fmt.Errorf("hand over the audit socket: %w", err)
	}
	return Inheritance{Socket: socket, Found: &k.found, Seen: k.Seen()}, nil
}

// Inherits tells whether the socket is one that was inherited.
func (k *Kernel) Inherits() bool { return k.heir }

// Keep hands the socket to do, for somebody who keeps it for an heir. It is for
// the time before Run: whoever gets a socket that is not registered registers it.
func (k *Kernel) Keep(do func(socket int)) { do(k.socket.fd) }

// inherit takes the socket that was left, if it is any good. Nil means that there
// is none.
func (k *Kernel) inherit() *auditSocket {
	from := k.cfg.Inherited
	if from.Socket == 0 {
		return nil
	}
	s, err := adoptAuditSocket(from.Socket, k.cfg.ReceiveBuffer)
	if err == nil && from.Found == nil {
		if k.found, err = k.control.status(); err != nil {
			s.close()
		}
	}
	if err != nil {
		k.cfg.Logger.Warn("the audit socket that was left to us is no good; another is opened", "err", err)
		return nil
	}
	if from.Found != nil {
		k.found = *from.Found
	}
	k.heir = true
	return s
}

// succeed goes on where another program has stopped. What waits in the socket is
// put into the ring at once: while it is full, the kernel lets whoever asks it
// something wait.
func (k *Kernel) succeed() error {
	k.serials.resume(k.cfg.Inherited.Seen)
	k.finish()
	_, err := k.drain()
	return err
}

// register makes this process the owner of kernel audit. When it inherited the
// socket of a dead one, the kernel refuses that: it asks the owner's socket whether
// it still lives (kernel/audit.c, audit_replace), and so it does. That the question
// arrives here is the proof that the socket is the one the kernel delivers to.
func (k *Kernel) register(owner int) error {
	if k.heir && owner == os.Getpid() { // another program in this process did
		return nil
	}
	k.asker = 0
	k.serials.hears(time.Now())
	err := k.setPID(os.Getpid())
	if errors.Is(err, unix.EEXIST) && k.asker == os.Getpid() {
		k.log.Info("going on with the audit socket of a dead process, which stays its owner to the kernel", "owner", owner)
		k.dead.Store(int32(owner))
		return nil
	}
	if err != nil {
		return refusal(err, k.owner())
	}
	return nil
}

// adoptAuditSocket makes an audit socket of a descriptor that somebody else
// opened. The descriptor is closed when there is an error.
func adoptAuditSocket(fd, buffer int) (s *auditSocket, err error) {
	s = &auditSocket{fd: fd, poll: -1, bell: -1}
	defer func() {
		if err != nil {
			s.close()
			s, err = nil, fmt.Errorf("take over descriptor %d as the audit socket: %w", fd, err)
		}
	}()
	for _, is := range []struct{ option, value int }{{unix.SO_DOMAIN, unix.AF_NETLINK}, {unix.SO_PROTOCOL, unix.NETLINK_AUDIT}} {
		got, err := unix.GetsockoptInt(fd, unix.SOL_SOCKET, is.option)
		if err != nil {
			return s, err
		}
		if got != is.value {
			return s, errors.New("it is another kind of socket")
		}
	}
	unix.CloseOnExec(fd)
	if err := s.tune(buffer, false); err != nil {
		return s, err
	}
	return s, s.attach()
}
