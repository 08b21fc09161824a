package audittest

import (
	"encoding/binary"

	"golang.org/x/sys/unix"
)

// SendUserMessage sends text as a user message of the given type, as PAM and
// sshd do through libaudit: the kernel stamps pid, uid, auid and ses in front
// and puts text into msg='…'. text may hold any byte; the kernel ends it at the
// first NUL and cuts it at 8560 bytes, except for USER_TTY (1124), whose text
// it writes in hex.
func (a *Audit) SendUserMessage(recordType uint16, text string) {
	a.t.Helper()
	if err := SendUserMessage(recordType, text); err != nil {
		a.t.Fatalf("send a user message of type %d: %v", recordType, err)
	}
}

// SendUserMessage is for a process that is no test itself: it takes no lock. Its
// error is the kernel's.
func SendUserMessage(recordType uint16, text string) error {
	socket, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		return err
	}
	defer unix.Close(socket)
	message := make([]byte, unix.SizeofNlMsghdr, unix.SizeofNlMsghdr+len(text)+4)
	message = append(message, text...)
	message = append(message, 0) // the kernel overwrites the last byte with NUL
	header := message[:unix.SizeofNlMsghdr]
	binary.NativeEndian.PutUint32(header[0:], uint32(len(message)))
	binary.NativeEndian.PutUint16(header[4:], recordType)
	binary.NativeEndian.PutUint16(header[6:], unix.NLM_F_REQUEST|unix.NLM_F_ACK)
	if err := unix.Sendto(socket, message, 0, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		return err
	}
	return acknowledged(socket)
}

// acknowledged reads the kernel's NLMSG_ERROR, which carries 0 for success.
func acknowledged(socket int) error {
	reply := make([]byte, 9000)
	for {
		n, _, err := unix.Recvfrom(socket, reply, 0)
		if err == unix.EINTR {
			continue
		}
		if err != nil {
			return err
		}
		if n >= unix.SizeofNlMsghdr+4 && binary.NativeEndian.Uint16(reply[4:]) == unix.NLMSG_ERROR {
			if code := int32(binary.NativeEndian.Uint32(reply[unix.SizeofNlMsghdr:])); code != 0 {
				return unix.Errno(-code)
			}
			return nil
		}
	}
}
