package auditbridge

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"time"

	"golang.org/x/sys/unix"

	"auditbridge/journal/ring"
)

// MulticastConfig configures the source "multicast".
type MulticastConfig struct {
	// ReceiveBuffer is how many bytes of records may wait in the kernel, which takes
	// the memory only while they do; 0 means 64 MiB. Nothing but this stands between a
	// burst and a loss.
	ReceiveBuffer int
	Pause         time.Duration // as KernelConfig.Pause; 0 means 1 ms
	// ExemptionFile remembers for whom the kernel was told to make an exception, so
	// that a successor takes it back when we die; empty means that none is made.
	ExemptionFile string
	Seen          Seen         // where the source before this one ended: what came since is missing
	Logger        *slog.Logger // nil means none
}

// Multicast is the source "multicast": it listens to what the kernel sends to
// everybody who may hear it (AUDIT_NLGRP_READLOG), beside the owner of kernel
// audit or without one, and puts it into the ring. It changes nothing in the
// kernel but a rule that keeps this very process from being audited.
//
// The kernel neither waits for listeners nor counts what they miss: Unheard does.
type Multicast struct {
	receiver
	control   *control
	exemption *exemption
	dropped   struct {
		last  uint32 // the socket's own count, as last seen
		total uint64
	}
}

// readlog is AUDIT_NLGRP_READLOG (include/uapi/linux/audit.h).
const readlog = 1

// OpenMulticast joins the group. From here on records gather in the socket's
// buffer; Run fetches them. Errors are NoAuditError, NotHeardError or NotAllowedError
// where one of them is the cause.
func OpenMulticast(cfg MulticastConfig, r *ring.Ring) (*Multicast, error) {
	k := KernelConfig{ReceiveBuffer: cfg.ReceiveBuffer, Pause: cfg.Pause, Logger: cfg.Logger}
	if k.ReceiveBuffer == 0 {
		k.ReceiveBuffer = 64 << 20
	}
	// Nobody waits for a listener, so there is nobody to hold back.
	k.Overload = ProtectHost
	if err := k.complete(); err != nil {
		return nil, fmt.Errorf("listen to kernel audit: %w", err)
	}
	if err := inHostNetwork(); err != nil {
		return nil, fmt.Errorf("listen to kernel audit: %w", err)
	}
	socket, err := openAuditSocket(k.ReceiveBuffer, 1<<(readlog-1))
	if err != nil {
		if errors.Is(err, unix.EPERM) {
			err = NotAllowedError{err}
		} else {
			err = refusal(err, 0)
		}
		return nil, fmt.Errorf("listen to kernel audit: %w", err)
	}
	m := &Multicast{}
	m.receiver = newReceiver(socket, r, k.Pressure, k.Pause, k.Logger)
	m.serials.resume(cfg.Seen)
	if m.control, err = openControl(); err == nil {
		_, err = socket.dropped() // none so far: it is new
	}
	if err != nil {
		m.Close()
		return nil, fmt.Errorf("listen to kernel audit: %w", err)
	}
	m.exemption = newExemption(m.control, cfg.ExemptionFile, k.Logger)
	if got := socket.buffer(); got < k.ReceiveBuffer {
		m.log.Warn("the socket's buffer is smaller than it should be, so that bursts are missed earlier",
			"bytes", got, "wanted", k.ReceiveBuffer, "why", "no CAP_NET_ADMIN, and net.core.rmem_max")
	}
	return m, nil
}

// Close takes the exemption back and closes the sockets. It comes after all else
// has ended, for until then we had better not be audited.
func (m *Multicast) Close() error {
	var errs []error
	if m.exemption != nil {
		m.exemption.withdraw()
	}
	if m.control != nil {
		errs = append(errs, m.control.close())
	}
	return errors.Join(append(errs, m.socket.close())...)
}

// Status asks the kernel, which needs CAP_AUDIT_CONTROL. Any goroutine may call it.
func (m *Multicast) Status() (Status, error) { return m.control.status() }

// Rules asks the kernel how many rules are loaded, the one that exempts us not
// counted. Whoever loads rules begins by deleting all there are: then that one is
// put back. Any goroutine may call it.
func (m *Multicast) Rules() (int, error) { return m.exemption.keep() }

// Exempted are the processes that are kept from being audited by rules of ours. Any
// goroutine may call it; it waits while the kernel is asked for them.
func (m *Multicast) Exempted() []int { return m.exemption.exempted() }

// Audited says why this process is audited itself; nil when it is not. Where rules
// match what it does, its own records then make more of their kind.
func (m *Multicast) Audited() error { return m.exemption.failure() }

// Run listens until ctx ends. It does not close the ring.
func (m *Multicast) Run(ctx context.Context) error {
	runtime.LockOSThread() // a thread of its own is never late for want of another goroutine
	defer runtime.UnlockOSThread()
	m.finish()
	var asking sync.WaitGroup
	asking.Go(func() { // a busy kernel answers late; meanwhile we listen
		m.exemption.succeed()
		m.exemption.begin()
	})
	m.log.Info("listening to kernel audit")
	err := m.receive(ctx)
	asking.Wait()
	err = errors.Join(err, m.leave())
	m.serials.end()
	m.log.Info("listening to kernel audit has ended")
	return err
}

// leave leaves the group when the events under way have come, and receives what
// was sent until then: what comes later is no loss.
func (m *Multicast) leave() error {
	if err := m.linger(); err != nil {
		return err
	}
	if err := unix.SetsockoptInt(m.socket.fd, unix.SOL_NETLINK, unix.NETLINK_DROP_MEMBERSHIP, readlog); err != nil {
		return fmt.Errorf("stop listening to kernel audit: %w", err)
	}
	for empty := false; !empty; {
		var err error
		if empty, err = m.drain(); err != nil {
			return err
		}
	}
	return nil
}

// Unheard says what was missed by now. One goroutine may call it.
func (m *Multicast) Unheard(now time.Time) (Unheard, error) {
	u := m.serials.unheard(now)
	drops, err := m.socket.dropped()
	if err == nil {
		m.dropped.total += uint64(drops - m.dropped.last)
		m.dropped.last = drops
	}
	u.Dropped = m.dropped.total
	return u, err
}

// inHostNetwork makes sure that there is something to hear: the group can be
// joined in any network namespace, and records come to the first alone
// (kernel/audit.c, kauditd_send_multicast_skb). That one is told by settings which
// no other has (net/core/sysctl_net_core.c, net_core_table).
func inHostNetwork() error {
	const settings = "/proc/sys/net/core"
	if _, err := os.Stat(settings); err != nil {
		return nil // hidden from us: nothing is known against it
	}
	if _, err := os.Stat(settings + "/netdev_budget"); errors.Is(err, fs.ErrNotExist) {
		return NotHeardError{}
	}
	return nil
}

// NotHeardError means that the kernel sends its audit records elsewhere.
type NotHeardError struct{}

func (NotHeardError) Error() string {
	return "this is not the host's own network namespace, and audit records are sent to no other"
}

// Hint tells an operator what to do.
func (NotHeardError) Hint() string {
	return `run it in the host's network namespace (a container: with the host's network), or have the host's auditd feed it: source = "plugin"`
}

// NotAllowedError means that the process may not listen to kernel audit.
type NotAllowedError struct{ Err error }

func (e NotAllowedError) Error() string {
	return fmt.Sprintf("not allowed: %v", e.Err)
}
func (e NotAllowedError) Unwrap() error { return e.Err }

// Hint tells an operator what to do.
func (NotAllowedError) Hint() string {
	return "run as root, or with CAP_AUDIT_READ, in the initial user namespace"
}
