package rules

import (
	"unsafe"

	"golang.org/x/sys/unix"
)

// datagrams reads many at once: the kernel sends each rule of a list, and each
// answer to a change, in one of its own.
type datagrams struct {
	headers [manyDatagrams]struct {
		unix.Msghdr
		size uint32
	}
	parts [manyDatagrams]unix.Iovec
	bytes []byte
	got   int // by the last read
}

const (
	manyDatagrams = 32
	datagramSize  = 32 << 10 // of a rule with every field that is a string, and each as long as can be
)

func newDatagrams() *datagrams {
	d := &datagrams{bytes: make([]byte, manyDatagrams*datagramSize)}
	for i := range d.headers {
		d.parts[i].Base = &d.bytes[i*datagramSize]
		d.parts[i].SetLen(datagramSize)
		d.headers[i].Iov = &d.parts[i]
		d.headers[i].SetIovlen(1)
	}
	return d
}

// read waits for the first, takes what else is there, and says how many.
func (d *datagrams) read(fd int) (int, error) {
	for {
		n, _, err := unix.Syscall6(unix.SYS_RECVMMSG, uintptr(fd), uintptr(unsafe.Pointer(&d.headers)), manyDatagrams, unix.MSG_WAITFORONE, 0, 0)
		if err == 0 {
			d.got = int(n)
			return d.got, nil
		}
		if err != unix.EINTR {
			return 0, err
		}
	}
}

// gather lets what is being sent come together, when the last read got less than
// there was room for: a thread of the kernel's sends a list rule by rule, and who
// waits for each is woken for each.
func (d *datagrams) gather() {
	if d.got < manyDatagrams {
		unix.Nanosleep(&unix.Timespec{Nsec: gatherTime}, nil)
	}
}

const gatherTime = 100_000

// datagram is one of those read last, until the next read.
func (d *datagrams) datagram(i int) []byte {
	return d.bytes[i*datagramSize:][:d.headers[i].size]
}
