package auditbridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"strconv"
	"strings"
	"sync"
	"syscall"

	"github.com/elastic/go-libaudit/v2"
	"golang.org/x/sys/unix"
)

// Status is what the kernel says of its audit system (struct audit_status).
type Status struct {
	Enabled               int // 0, 1, or 2: locked until reboot
	Failure               int // on a critical error: 0 silent, 1 printk, 2 panic
	PID                   int // owner of the unicast socket, 0 when none
	RateLimit             int // records per second, 0 unlimited
	BacklogLimit          int // records in the kernel's queue
	Lost                  uint32
	Backlog               int
	BacklogWaitTime       int // jiffies an audited process is held back at most
	BacklogWaitTimeActual int
}

// OwnedError means that another audit daemon owns the kernel's audit socket.
type OwnedError struct{ PID int }

func (e OwnedError) Error() string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", e.PID))
	if err != nil {
		return fmt.Sprintf("kernel audit is owned by process %d", e.PID)
	}
	return fmt.Sprintf("kernel audit is owned by process %d (%q)", e.PID, strings.TrimSpace(string(comm)))
}

// Hint tells an operator what to do.
func (OwnedError) Hint() string {
	return `stop that daemon, or let auditbridge live with it: run by auditd, source = "plugin"; beside it, hearing what is sent to all, source = "multicast"`
}

// NoAuditError means that the kernel was built or booted without audit.
type NoAuditError struct{ Err error }

func (e NoAuditError) Error() string { return fmt.Sprintf("this kernel has no audit: %v", e.Err) }
func (e NoAuditError) Unwrap() error { return e.Err }

// Hint tells an operator what to do.
func (NoAuditError) Hint() string {
	return "the kernel needs CONFIG_AUDIT and must not be booted with audit=0; in a container the host's kernel audit is out of reach"
}

// NotRootError means that the process may not control kernel audit.
type NotRootError struct{ Err error }

func (e NotRootError) Error() string {
	return fmt.Sprintf("not allowed to control kernel audit: %v", e.Err)
}
func (e NotRootError) Unwrap() error { return e.Err }

// Hint tells an operator what to do.
func (NotRootError) Hint() string {
	return "run as root (CAP_AUDIT_CONTROL and CAP_NET_ADMIN) in the initial PID and user namespaces"
}

// refusal turns what the kernel answers to a request into a typed error.
func refusal(err error, owner int) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, unix.EPROTONOSUPPORT), errors.Is(err, unix.EAFNOSUPPORT), errors.Is(err, unix.ECONNREFUSED):
		return NoAuditError{err}
	case errors.Is(err, unix.EPERM), errors.Is(err, unix.EACCES):
		return NotRootError{err}
	case errors.Is(err, unix.EEXIST):
		return OwnedError{owner}
	}
	return err
}

// control asks and changes the kernel's status over a socket of its own, since
// go-libaudit drops records that arrive while it waits for an answer. Each value
// is set by a message of its own: a locked kernel then refuses only what it must.
type control struct {
	mu     sync.Mutex // an AuditClient serves one caller at a time
	client *libaudit.AuditClient
}

func openControl() (*control, error) {
	client, err := libaudit.NewAuditClient(nil)
	if err != nil {
		return nil, refusal(err, 0)
	}
	client.Netlink = &queued{NetlinkSendReceiver: client.Netlink}
	return &control{client: client}, nil
}

// AskKernel asks the kernel once for its audit status, without owning it. Errors
// are NoAuditError or NotRootError where one of them is the cause.
func AskKernel() (Status, error) {
	c, err := openControl()
	if err != nil {
		return Status{}, fmt.Errorf("ask the kernel for its audit status: %w", err)
	}
	s, err := c.status()
	return s, errors.Join(err, c.close())
}

func (c *control) status() (Status, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	s, err := c.client.GetStatus()
	if err != nil {
		return Status{}, fmt.Errorf("ask the kernel for its audit status: %w", refusal(err, 0))
	}
	return Status{
		Enabled: int(s.Enabled), Failure: int(s.Failure), PID: int(s.PID),
		RateLimit: int(s.RateLimit), BacklogLimit: int(s.BacklogLimit),
		Lost: s.Lost, Backlog: int(s.Backlog),
		BacklogWaitTime:       int(s.BacklogWaitTime),
		BacklogWaitTimeActual: int(s.BacklogWaitTimeActual),
	}, nil
}

// rules counts the rules that are loaded.
func (c *control) rules() (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	all, err := c.list()
	return len(all), err
}

// list returns all rules as the kernel has them. The caller holds c.mu.
func (c *control) list() ([][]byte, error) {
	all, err := c.client.GetRules()
	if err != nil {
		return nil, fmt.Errorf("ask the kernel for its audit rules: %w", refusal(err, 0))
	}
	return all, nil
}

// signalInfo is AUDIT_SIGNAL_INFO (include/uapi/linux/audit.h).
const signalInfo = 1010

// signaller asks who sent the owner of the audit socket its last signal.
func (c *control) signaller() (Actor, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	answer, err := c.ask(signalInfo, 8)
	if err == nil {
		return signalledBy(binary.NativeEndian.Uint32(answer), int(binary.NativeEndian.Uint32(answer[4:])), loginOf), nil
	}
	return Actor{}, fmt.Errorf("ask the kernel who sent a signal: %w", refusal(err, 0))
}

// signalledBy reads struct audit_sig_info: the sender's login user or, where he has
// none, his user, and his process. Which of the two it is only that process can tell,
// while it is there: systemd is root, and nobody who logged in as root.
func signalledBy(user uint32, pid int, loginOf func(pid int) (user uint32, known bool)) Actor {
	if login, known := loginOf(pid); known && login == Unset {
		return Actor{AUID: Unset, UID: user, Session: Unset, PID: pid}
	}
	return Actor{AUID: user, UID: Unset, Session: Unset, PID: pid}
}

func loginOf(pid int) (user uint32, known bool) {
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid))
	if err != nil {
		return 0, false
	}
	n, err := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	return uint32(n), err == nil
}

// ask sends a request whose answer has its own type and at least size bytes. The
// caller holds c.mu.
func (c *control) ask(kind uint16, size int) (answer []byte, err error) {
	seq, err := c.client.Netlink.Send(syscall.NetlinkMessage{Header: syscall.NlMsghdr{Type: kind, Flags: syscall.NLM_F_REQUEST}})
	for err == nil {
		var answers []syscall.NetlinkMessage
		answers, err = c.client.Netlink.Receive(true, syscall.ParseNetlinkMessage)
		for _, a := range answers {
			if a.Header.Type == kind && a.Header.Seq == seq && len(a.Data) >= size {
				return a.Data, nil
			}
			if a.Header.Type == syscall.NLMSG_ERROR && a.Header.Seq == seq {
				err = libaudit.ParseNetlinkError(a.Data)
			}
		}
	}
	return nil, err
}

// request sends the kernel a request of go-libaudit's that hides how it was
// answered, or has none for it, and waits for the answer. The caller holds c.mu.
func (c *control) request(kind uint16, data []byte) error {
	seq, err := c.client.Netlink.Send(syscall.NetlinkMessage{
		Header: syscall.NlMsghdr{Type: kind, Flags: syscall.NLM_F_REQUEST | syscall.NLM_F_ACK},
		Data:   data,
	})
	for err == nil {
		var answers []syscall.NetlinkMessage
		answers, err = c.client.Netlink.Receive(true, syscall.ParseNetlinkMessage)
		for _, a := range answers {
			if a.Header.Type == syscall.NLMSG_ERROR && a.Header.Seq == seq {
				return libaudit.ParseNetlinkError(a.Data)
			}
		}
	}
	return err
}

func (c *control) setEnabled(on bool) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return wrapSet("enabled", c.client.SetEnabled(on, libaudit.WaitForReply))
}

func (c *control) setBacklogLimit(records int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return wrapSet("backlog limit", c.client.SetBacklogLimit(uint32(records), libaudit.WaitForReply))
}

// setFailure passes the kernel's own numbers: go-libaudit's named modes are all 0.
func (c *control) setFailure(mode int) error {
	c.mu.Lock()
	defer c.mu.Unlock()
	return wrapSet("failure mode", c.client.SetFailure(libaudit.FailureMode(mode), libaudit.WaitForReply))
}

// forgetOwner has the kernel look whether its owner's socket is still there, and
// forget it when it is not; else it refuses (kernel/audit.c, audit_set). By itself it
// looks when it next has something to deliver.
func (c *control) forgetOwner() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	status, err := binary.Append(nil, binary.NativeEndian, auditStatus{Mask: auditStatusPID})
	if err != nil {
		return err
	}
	return c.request(auditSet, status)
}

func wrapSet(what string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("set the kernel's audit %s: %w", what, refusal(err, 0))
}

func (c *control) close() error { return c.client.Close() }
