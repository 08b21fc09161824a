package ring

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

const (
	// Batch is how many messages one system call receives at most.
	Batch = 256
	// slotSize holds the longest audit message and its netlink header.
	slotSize   = 9216
	slotsSize  = (unsafe.Sizeof(slotTable{}) + controlSize - 1) / controlSize * controlSize
	dataOffset = controlSize + int(slotsSize)
)

// slotTable is what recvmmsg reads and writes, all of it inside the mapping:
// the kernel itself notes there which messages it has handed over (length), so
// that after a SIGKILL in or after the call it is known exactly.
type slotTable struct {
	headers [Batch]messageHeader
	vectors [Batch]unix.Iovec
	senders [Batch]unix.RawSockaddrNetlink
	buffers [Batch][slotSize]byte
}

// messageHeader is struct mmsghdr.
type messageHeader struct {
	header unix.Msghdr
	length uint32
	_      [4]byte
}

// Slots receives messages in batches. It belongs to the producer.
//
// A batch is open from Receive until all its messages are taken; Take becomes
// effective together with the next Publish or Refuse, in one store. A batch that
// a killed process left open is found again by Unfinished.
type Slots struct {
	r    *Ring
	used int // slots whose length may be other than zero
}

// connect points the headers at this process's addresses.
func (s *Slots) connect() {
	t := s.r.table
	for i := range t.headers {
		t.vectors[i].Base = &t.buffers[i][0]
		t.vectors[i].SetLen(slotSize)
		h := &t.headers[i].header
		h.Name = (*byte)(unsafe.Pointer(&t.senders[i]))
		h.Namelen = uint32(unsafe.Sizeof(t.senders[i]))
		h.Iov = &t.vectors[i]
		h.SetIovlen(1)
		h.Control = nil
		h.SetControllen(0)
	}
}

// Receive receives what waits at a socket, without blocking: n messages, at most
// limit (1 to Batch), to be taken from the first on. The batch before must have
// been taken whole.
func (s *Slots) Receive(socket, limit int) (n int, err error) {
	s.begin()
	for {
		n, _, errno := unix.RawSyscall6(unix.SYS_RECVMMSG, uintptr(socket),
			uintptr(unsafe.Pointer(&s.r.table.headers[0])), uintptr(min(limit, Batch)), unix.MSG_DONTWAIT, 0, 0)
		switch errno {
		case 0:
			s.used = int(n)
			return int(n), nil
		case unix.EINTR:
		default:
			return 0, errno
		}
	}
}

// begin opens the next batch. The lengths go to zero first: a process killed
// in between leaves the batch before, which is taken already.
func (s *Slots) begin() {
	for i := range s.used {
		h := &s.r.table.headers[i]
		h.length = 0
		h.header.Namelen = uint32(unsafe.Sizeof(s.r.table.senders[i]))
	}
	s.used = 0
	if batch := s.r.control.batch.Load(); batch == s.r.made.batch {
		s.r.control.batch.Store(batch + 1)
	}
}

// Unfinished returns the messages [from, to) that another process received and
// did not take before it died. They are to be handled like a batch just
// received, before the first Receive.
func (s *Slots) Unfinished() (from, to int) {
	if s.r.made.batch == s.r.control.batch.Load() {
		from = int(s.r.made.taken)
	}
	for to = from; to < Batch && s.r.table.headers[to].length != 0; to++ {
	}
	return from, to
}

// Message returns the bytes of message i of the batch. They stay as they are
// until the next Receive.
func (s *Slots) Message(i int) []byte {
	n := min(s.r.table.headers[i].length, slotSize)
	return s.r.table.buffers[i][:n:n]
}

// Sender returns the netlink port that sent message i: 0 is the kernel.
func (s *Slots) Sender(i int) uint32 { return s.r.table.senders[i].Pid }

// Truncated tells whether message i was longer than a slot.
func (s *Slots) Truncated(i int) bool {
	return s.r.table.headers[i].header.Flags&unix.MSG_TRUNC != 0
}

// Take says that the first n messages of the batch are dealt with. It becomes
// effective with the next Publish or Refuse.
func (s *Slots) Take(n int) {
	s.r.made.batch = s.r.control.batch.Load()
	s.r.made.taken = uint64(n)
}
