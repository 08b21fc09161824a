package rules

import (
	"cmp"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"slices"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// Requests and answers (include/uapi/linux/audit.h).
const (
	askStatus     = 1000 // AUDIT_GET
	setStatus     = 1001
	userMessage   = 1005 // AUDIT_USER
	addRule       = 1011
	deleteRule    = 1012
	listRules     = 1013
	trimTrees     = 1014
	equivalent    = 1015
	setFeature    = 1018
	askFeatures   = 1019
	headerSize    = unix.SizeofNlMsghdr
	statusSize    = 44 // struct audit_status
	maskLost      = 0x40
	maskWaited    = 0x80
	loginUIDFixed = 1 << 1 // AUDIT_FEATURE_LOGINUID_IMMUTABLE
)

// Netlink asks this machine's kernel. One goroutine may use it.
type Netlink struct {
	fd   int
	seq  uint32
	many *datagrams

	likely int // rules in the next listing, at most
}

// OpenNetlink opens a socket of its own: the one that records come over would
// mix them with the answers. It takes CAP_AUDIT_CONTROL to use it.
func OpenNetlink() (*Netlink, error) {
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return nil, fmt.Errorf("open the kernel's audit system: %w", os.NewSyscallError("socket", err))
	}
	// The kernel drops what of a list finds no room. 8 MiB are 4000 rules in flight.
	if err := unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, 8<<20); err != nil {
		unix.SetsockoptInt(fd, unix.SOL_SOCKET, unix.SO_RCVBUF, 8<<20) // without CAP_NET_ADMIN as much as there is
	}
	if err := unix.Connect(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		unix.Close(fd)
		return nil, fmt.Errorf("open the kernel's audit system: %w", os.NewSyscallError("connect", err))
	}
	return newNetlink(fd)
}

// answerTime is how long the kernel may take to answer. It does so at once,
// unless it makes whoever asks wait because its queue of records is full.
const answerTime = 75 * time.Second

func newNetlink(fd int) (*Netlink, error) {
	wait := unix.NsecToTimeval(int64(answerTime))
	if err := unix.SetsockoptTimeval(fd, unix.SOL_SOCKET, unix.SO_RCVTIMEO, &wait); err != nil {
		unix.Close(fd)
		return nil, os.NewSyscallError("setsockopt", err)
	}
	return &Netlink{fd: fd, many: newDatagrams()}, nil
}

// Close closes the socket.
func (n *Netlink) Close() error { return unix.Close(n.fd) }

// batch is how many rules go into one message to the kernel: it takes as many
// as its socket's buffer holds. Of those it refuses it answers each, and the last one
// whatever becomes of it; before it answers, it has obeyed.
const batch = 32

// Change implements Kernel.
func (n *Netlink) Change(changes []Change) ([]error, error) {
	results := make([]error, 0, len(changes))
	message := make([]byte, 0, batch*(wireHeader+256))
	wire := make([]byte, 0, wireHeader+256)
	for part := range slices.Chunk(changes, batch) {
		message = message[:0]
		first := n.seq + 1
		for i := range part {
			kind := uint16(addRule)
			if part[i].Delete {
				kind = deleteRule
			}
			wire = part[i].Rule.AppendWire(wire[:0])
			flags := uint16(unix.NLM_F_REQUEST)
			if i == len(part)-1 {
				flags |= unix.NLM_F_ACK
			}
			message = n.append(message, kind, flags, wire)
		}
		n.likely += len(part)
		answers, err := n.exchange(message, first)
		results = append(results, answers...)
		if err != nil {
			return results, fmt.Errorf("change the kernel's audit rules: %w", err)
		}
	}
	return results, nil
}

// List implements Kernel.
func (n *Netlink) List() (all []Rule, err error) {
	all = slices.Grow(all, n.likely)
	if err = n.send(n.append(nil, listRules, unix.NLM_F_REQUEST, nil)); err == nil {
		for done := false; err == nil && !done; {
			err = n.receive(func(kind uint16, seq uint32, data []byte) error {
				switch {
				case seq != n.seq:
				case kind == listRules:
					r, err := ParseWire(data)
					all = append(all, r)
					return err
				case kind == unix.NLMSG_DONE:
					done = true
				case kind == unix.NLMSG_ERROR:
					return answer(data)
				}
				return nil
			})
			if !done {
				n.many.gather()
			}
		}
	}
	if err != nil {
		return nil, fmt.Errorf("list the kernel's audit rules: %w", err)
	}
	n.likely = len(all)
	return all, nil
}

// State implements Kernel.
func (n *Netlink) State() (s State, err error) {
	status, err := n.ask(askStatus, 40)
	if err != nil {
		return s, fmt.Errorf("ask the kernel for its audit status: %w", err)
	}
	at := func(word int) uint32 { return binary.NativeEndian.Uint32(status[4*word:]) }
	s.Settings = [settingCount]uint32{Enabled: at(1), Failure: at(2), RateLimit: at(4), BacklogLimit: at(5), BacklogWaitTime: at(9)}
	s.Owner = int(at(3))
	features, err := n.ask(askFeatures, 16)
	if err != nil {
		return s, fmt.Errorf("ask the kernel for its audit features: %w", err)
	}
	if binary.NativeEndian.Uint32(features[8:])&loginUIDFixed != 0 {
		s.Settings[LoginUIDImmutable] = 1
	}
	return s, nil
}

// statusMasks says which value of struct audit_status AUDIT_SET shall take
// (AUDIT_STATUS_*), and where in it that is.
var statusMasks = map[Setting]struct {
	mask uint32
	word int
}{
	Enabled: {1, 1}, Failure: {2, 2}, RateLimit: {8, 4}, BacklogLimit: {0x10, 5}, BacklogWaitTime: {0x20, 9},
}

// Set implements Kernel.
func (n *Netlink) Set(s Setting, value uint32) error {
	var err error
	if s == LoginUIDImmutable {
		var feature [16]byte // version, mask, values, which are locked
		for _, at := range []int{4, 8, 12} {
			binary.NativeEndian.PutUint32(feature[at:], loginUIDFixed)
		}
		err = n.order(setFeature, feature[:])
	} else {
		where := statusMasks[s]
		var status [statusSize]byte
		binary.NativeEndian.PutUint32(status[:], where.mask)
		binary.NativeEndian.PutUint32(status[4*where.word:], value)
		err = n.order(setStatus, status[:])
	}
	if err != nil {
		return fmt.Errorf("set the kernel's audit %s to %d: %w", s, value, err)
	}
	return nil
}

// Request implements Kernel.
func (n *Netlink) Request(s Statement) (err error) {
	switch s.Verb {
	case Trim:
		err = n.order(trimTrees, nil)
	case Equivalent:
		mount, tree, _ := strings.Cut(s.Word, ",")
		data := binary.NativeEndian.AppendUint32(nil, uint32(len(mount)))
		data = binary.NativeEndian.AppendUint32(data, uint32(len(tree)))
		err = n.order(equivalent, append(append(data, mount...), tree...))
	case ResetLost, ResetWaited:
		mask := map[Verb]uint32{ResetLost: maskLost, ResetWaited: maskWaited}[s.Verb]
		var status [statusSize]byte
		binary.NativeEndian.PutUint32(status[:], mask)
		if err = n.order(setStatus, status[:]); err != nil && errors.As(err, new(count)) {
			err = nil // what it was
		}
	case Message:
		err = n.order(userMessage, append([]byte("text="+s.Word), 0))
	case Signal:
		err = n.signal(s.Word)
	}
	if err != nil {
		return fmt.Errorf("%s: %w", s.Text, err)
	}
	return nil
}

// signal sends the owner of the kernel's records a signal.
func (n *Netlink) signal(name string) error {
	state, err := n.State()
	if err == nil && state.Owner == 0 {
		err = errors.New("no daemon owns the kernel's audit records")
	}
	if err != nil {
		return err
	}
	return unix.Kill(state.Owner, unix.SignalNum("SIG"+name))
}

// count is an answer that is no error: the kernel tells so what a counter was.
type count uint32

func (c count) Error() string { return fmt.Sprintf("it was %d", uint32(c)) }

// order sends one request and waits until it has been obeyed.
func (n *Netlink) order(kind uint16, data []byte) error {
	message := n.append(nil, kind, unix.NLM_F_REQUEST|unix.NLM_F_ACK, data)
	results, err := n.exchange(message, n.seq)
	if err != nil {
		return err
	}
	return results[0]
}

// ask sends one request and returns the answer, of so many bytes at least.
func (n *Netlink) ask(kind uint16, size int) (found []byte, err error) {
	if err := n.send(n.append(nil, kind, unix.NLM_F_REQUEST, nil)); err != nil {
		return nil, err
	}
	for found == nil && err == nil {
		err = n.receive(func(is uint16, seq uint32, data []byte) error {
			if seq == n.seq && is == kind && len(data) >= size {
				found = slices.Clone(data)
			} else if seq == n.seq && is == unix.NLMSG_ERROR {
				return answer(data)
			}
			return nil
		})
	}
	return found, err
}

// append appends one request, with the next number.
func (n *Netlink) append(message []byte, kind, flags uint16, data []byte) []byte {
	n.seq++
	message = binary.NativeEndian.AppendUint32(message, uint32(headerSize+len(data)))
	message = binary.NativeEndian.AppendUint16(message, kind)
	message = binary.NativeEndian.AppendUint16(message, flags)
	message = binary.NativeEndian.AppendUint32(message, n.seq)
	message = binary.NativeEndian.AppendUint32(message, 0) // the kernel knows from whom
	message = append(message, data...)
	return append(message, "\x00\x00\x00"[:-len(data)&3]...)
}

// exchange sends the requests numbered from first, and collects the answers until
// that to the last one: a request without one was obeyed. An answer that found no room
// is an error of receive's.
func (n *Netlink) exchange(message []byte, first uint32) ([]error, error) {
	results := make([]error, n.seq-first+1)
	if err := n.send(message); err != nil {
		return nil, err
	}
	for answered := false; !answered; {
		err := n.receive(func(kind uint16, seq uint32, data []byte) error {
			if i := seq - first; kind == unix.NLMSG_ERROR && int64(i) < int64(len(results)) {
				results[i] = answer(data)
				answered = answered || seq == n.seq
			}
			return nil
		})
		if err != nil {
			return nil, err
		}
	}
	return results, nil
}

func (n *Netlink) send(message []byte) error {
	_, err := unix.Write(n.fd, message)
	return os.NewSyscallError("send", err)
}

// receive hands over the messages of what has arrived, of one datagram at least.
// An error of each's does not keep it from being handed the rest.
func (n *Netlink) receive(each func(kind uint16, seq uint32, data []byte) error) error {
	count, err := n.many.read(n.fd)
	if err == unix.EAGAIN {
		return fmt.Errorf("no answer within %v", answerTime)
	}
	if err != nil {
		return os.NewSyscallError("receive", err)
	}
	for i := range count {
		for b := n.many.datagram(i); len(b) >= headerSize; {
			length := int(binary.NativeEndian.Uint32(b))
			if length < headerSize || length > len(b) {
				return fmt.Errorf("a message of %d bytes in %d", length, len(b))
			}
			err = cmp.Or(err, each(binary.NativeEndian.Uint16(b[4:]), binary.NativeEndian.Uint32(b[8:]), b[headerSize:length]))
			b = b[min((length+3)&^3, len(b)):]
		}
	}
	return err
}

// answer is the kernel's: a negative errno, or none.
func answer(data []byte) error {
	if len(data) < 4 {
		return errors.New("an answer without a number")
	}
	switch code := int32(binary.NativeEndian.Uint32(data)); {
	case code < 0:
		return unix.Errno(-code)
	case code > 0:
		return count(code)
	}
	return nil
}
