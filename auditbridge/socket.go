package auditbridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"unsafe"

	"golang.org/x/sys/unix"
)

// auditSocket is a NETLINK_AUDIT socket that can be waited for and whose waiter
// can be woken. Everything but wakeUp belongs to one goroutine.
type auditSocket struct {
	fd, poll, bell int
	seq            uint32
}

// openAuditSocket opens the socket with a receive buffer of the given bytes, and
// joins it to multicast groups (a mask). Without CAP_NET_ADMIN a listener's buffer
// is as large as net.core.rmem_max lets it be.
//
// With NETLINK_NO_ENOBUFS an overrun does not close the socket until it is drained.
// To its owner the kernel sends the record again. To listeners it does not: each
// record that found no room is gone, and without the option so is every one until
// the last byte of the buffer is read. The error which the option does away with
// would say only that there were some; dropped says how many.
func openAuditSocket(buffer int, groups uint32) (s *auditSocket, err error) {
	opened := &auditSocket{fd: -1, poll: -1, bell: -1}
	s = opened
	defer func() {
		if err != nil {
			opened.close()
			s = nil
		}
	}()
	if s.fd, err = unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT); err != nil {
		return nil, err
	}
	if err = s.tune(buffer, groups != 0); err != nil {
		return nil, err
	}
	// Records come from here on, and find the buffer they need.
	if err = unix.Bind(s.fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: groups}); err != nil {
		return nil, fmt.Errorf("bind: %w", err)
	}
	return s, s.attach()
}

// tune sets what a socket needs before records come.
func (s *auditSocket) tune(buffer int, listener bool) error {
	err := unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUFFORCE, buffer)
	if err == unix.EPERM && listener {
		err = unix.SetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF, buffer)
	}
	if err != nil {
		return fmt.Errorf("set the receive buffer to %d bytes: %w", buffer, err)
	}
	if err = unix.SetsockoptInt(s.fd, unix.SOL_NETLINK, unix.NETLINK_NO_ENOBUFS, 1); err != nil {
		return fmt.Errorf("set NETLINK_NO_ENOBUFS: %w", err)
	}
	return nil
}

// attach makes what waits for the socket, and what wakes the waiter.
func (s *auditSocket) attach() (err error) {
	if s.bell, err = unix.Eventfd(0, unix.EFD_CLOEXEC|unix.EFD_NONBLOCK); err != nil {
		return err
	}
	if s.poll, err = unix.EpollCreate1(unix.EPOLL_CLOEXEC); err != nil {
		return err
	}
	for _, fd := range []int{s.fd, s.bell} {
		event := unix.EpollEvent{Events: unix.EPOLLIN, Fd: int32(fd)}
		if err = unix.EpollCtl(s.poll, unix.EPOLL_CTL_ADD, fd, &event); err != nil {
			return err
		}
	}
	return nil
}

// dropped is how many messages the kernel could not put into the socket's buffer
// since it was opened, wrapping at 2³². It is the Drops column of
// /proc/net/netlink (net/core/sock.c, sk_get_meminfo; since Linux 4.12).
func (s *auditSocket) dropped() (uint32, error) {
	const drops = 8 // SK_MEMINFO_DROPS, include/uapi/linux/sock_diag.h
	var info [drops + 1]uint32
	size := uint32(unsafe.Sizeof(info))
	_, _, errno := unix.Syscall6(unix.SYS_GETSOCKOPT, uintptr(s.fd), unix.SOL_SOCKET, unix.SO_MEMINFO,
		uintptr(unsafe.Pointer(&info)), uintptr(unsafe.Pointer(&size)), 0)
	if errno != 0 {
		return 0, fmt.Errorf("ask how many messages found no room in the audit socket: %w", errno)
	}
	return info[drops], nil
}

// buffer is how many bytes the socket's buffer was granted. The kernel doubles
// what is asked for (socket(7)).
func (s *auditSocket) buffer() int {
	n, _ := unix.GetsockoptInt(s.fd, unix.SOL_SOCKET, unix.SO_RCVBUF)
	return n / 2
}

// wait blocks until a message waits, wakeUp was called, or so many milliseconds
// are over; -1 is for ever.
func (s *auditSocket) wait(milliseconds int) error {
	var events [2]unix.EpollEvent
	_, err := unix.EpollWait(s.poll, events[:], milliseconds)
	if err == unix.EINTR {
		return nil
	}
	return err
}

// wakeUp ends this and every later wait. Any goroutine may call it.
func (s *auditSocket) wakeUp() {
	one := [8]byte{}
	binary.NativeEndian.PutUint64(one[:], 1)
	unix.Write(s.bell, one[:]) // fails only when it is rung already
}

// quiet makes wait block again after wakeUp.
func (s *auditSocket) quiet() {
	var count [8]byte
	unix.Read(s.bell, count[:])
}

func (s *auditSocket) close() error {
	var errs []error
	for _, fd := range []int{s.fd, s.poll, s.bell} {
		if fd >= 0 {
			errs = append(errs, unix.Close(fd))
		}
	}
	return errors.Join(errs...)
}

// auditStatus is struct audit_status (include/uapi/linux/audit.h) as far as
// AUDIT_SET needs it; the kernel takes shorter ones too.
type auditStatus struct {
	Mask, Enabled, Failure, PID, RateLimit, BacklogLimit, Lost, Backlog uint32
}

const (
	auditSet         = 1001
	auditReplace     = 1329 // the kernel asks whether its owner lives
	auditStatusPID   = 4
	netlinkError     = unix.NLMSG_ERROR
	netlinkHeaderLen = unix.SizeofNlMsghdr
)

// sendSetPID asks for the ownership of kernel audit (pid of this process) or
// gives it up (0). It goes over this very socket, because it is the socket the
// message comes from that the kernel registers. The answer carries seq.
func (s *auditSocket) sendSetPID(pid int) (seq uint32, err error) {
	s.seq++
	status := auditStatus{Mask: auditStatusPID, PID: uint32(pid)}
	message := make([]byte, netlinkHeaderLen, netlinkHeaderLen+int(unsafe.Sizeof(status)))
	message = append(message, unsafe.Slice((*byte)(unsafe.Pointer(&status)), unsafe.Sizeof(status))...)
	binary.NativeEndian.PutUint32(message[0:], uint32(len(message)))
	binary.NativeEndian.PutUint16(message[4:], auditSet)
	binary.NativeEndian.PutUint16(message[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	binary.NativeEndian.PutUint32(message[8:], s.seq)
	err = unix.Sendto(s.fd, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK})
	return s.seq, os.NewSyscallError("sendto", err)
}
