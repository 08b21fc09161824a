package auditbridge

import (
	"context"
	"encoding/binary"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"auditbridge/journal/ring"
)

// KernelConfig configures the source "kernel".
type KernelConfig struct {
	ReceiveBuffer int // bytes of the socket's buffer; 0 means 16 MiB
	BacklogLimit  int // records in the kernel's queue, raised to this if lower; 0 means 8192
	Failure       int // 1 printk, 2 panic on a critical error; 0 leaves it as found
	Pressure
	// Pause is how long received records may gather in the socket before they are
	// fetched, so that one system call carries many; 0 means 1 ms.
	Pause  time.Duration
	Logger *slog.Logger // nil means none
}

func (c *KernelConfig) complete() error {
	if c.ReceiveBuffer == 0 {
		c.ReceiveBuffer = 16 << 20
	}
	if c.BacklogLimit == 0 {
		c.BacklogLimit = 8192
	}
	if c.Pause == 0 {
		c.Pause = time.Millisecond
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
	var errs []error
	if c.ReceiveBuffer < 64<<10 || c.ReceiveBuffer > 1<<30 {
		errs = append(errs, fmt.Errorf("receive buffer of %d bytes: must be from 64 KiB to 1 GiB", c.ReceiveBuffer))
	}
	if c.BacklogLimit < 0 || c.Failure < 0 || c.Failure > 2 || c.Pause < 0 || c.Pause > 100*time.Millisecond {
		errs = append(errs, fmt.Errorf("backlog limit %d, failure mode %d or pause %v is out of range", c.BacklogLimit, c.Failure, c.Pause))
	}
	return errors.Join(append(errs, c.Pressure.complete())...)
}

// Kernel is the source "kernel": it owns the kernel's audit socket and puts
// every record it is sent into the ring.
type Kernel struct {
	cfg     KernelConfig
	socket  *auditSocket
	control *control
	in      intake

	answered uint32    // number of the last request the kernel answered …
	answer   error     // … and what it said
	holding  time.Time // since when processes are held back; zero when not
	undo     []func() error

	counts kernelCounts
}

// KernelStats counts what came over the socket and is not a sound record.
type KernelStats struct {
	Foreign   uint64 // messages not sent by the kernel, dropped
	Malformed uint64 // shorter than a netlink header, dropped
	Truncated uint64 // records longer than libaudit's maximum, stored cut
	Overruns  uint64 // times the socket's buffer overran
}

type kernelCounts struct{ foreign, malformed, truncated, overruns atomic.Uint64 }

// OpenKernel opens the sockets and makes sure that kernel audit can be had. It
// changes nothing yet: Run does. Errors are OwnedError, NoAuditError or NotRootError
// where one of them is the cause.
func OpenKernel(cfg KernelConfig, r *ring.Ring) (*Kernel, error) {
	if err := cfg.complete(); err != nil {
		return nil, fmt.Errorf("open kernel audit: %w", err)
	}
	ctl, err := openControl()
	if err != nil {
		return nil, fmt.Errorf("open kernel audit: %w", err)
	}
	status, err := ctl.status()
	if err == nil && status.PID != 0 && status.PID != os.Getpid() && unix.Kill(status.PID, 0) != unix.ESRCH {
		// The kernel names a dead owner until it next tries to deliver to it.
		err = OwnedError{status.PID}
	}
	var socket *auditSocket
	if err == nil {
		socket, err = openAuditSocket(cfg.ReceiveBuffer)
	}
	if err != nil {
		ctl.close()
		return nil, fmt.Errorf("open kernel audit: %w", refusal(err, 0))
	}
	k := &Kernel{cfg: cfg, socket: socket, control: ctl}
	k.in = intake{ring: r, slots: r.Slots()}
	return k, nil
}

// Close closes the sockets. The kernel then forgets its owner, in case Run did
// not end in order.
func (k *Kernel) Close() error {
	return errors.Join(k.socket.close(), k.control.close())
}

// Status asks the kernel. Any goroutine may call it.
func (k *Kernel) Status() (Status, error) { return k.control.status() }

// Rules asks the kernel how many rules are loaded. It costs the kernel a message
// per rule. Any goroutine may call it.
func (k *Kernel) Rules() (int, error) { return k.control.rules() }

// Stats may be called from any goroutine.
func (k *Kernel) Stats() KernelStats {
	return KernelStats{
		k.counts.foreign.Load(), k.counts.malformed.Load(),
		k.counts.truncated.Load(), k.counts.overruns.Load(),
	}
}

// Run takes the kernel's audit over, enables it, and receives until ctx ends.
// Then it gives the kernel back as it was found, but for records: what was
// logged by then is received. It does not close the ring.
func (k *Kernel) Run(ctx context.Context) error {
	runtime.LockOSThread() // a thread of its own is never late for want of another goroutine
	defer runtime.UnlockOSThread()
	k.finish()
	if err := k.acquire(); err != nil {
		return fmt.Errorf("take over kernel audit: %w", errors.Join(err, k.release()))
	}
	k.cfg.Logger.Info("kernel audit taken")
	err := errors.Join(k.receive(ctx), k.release())
	k.cfg.Logger.Info("kernel audit given back")
	return err
}

// receive receives until ctx ends.
func (k *Kernel) receive(ctx context.Context) (err error) {
	rung := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		k.socket.wakeUp()
		close(rung)
	})
	for err == nil && ctx.Err() == nil {
		if err = k.socket.wait(-1); err == nil {
			time.Sleep(k.cfg.Pause)
			_, err = k.drain()
		}
	}
	if !stop() {
		<-rung // nobody may ring when the socket is closed
	}
	k.socket.quiet()
	return err
}

// finish stores what a killed process had received.
func (k *Kernel) finish() {
	if from, to := k.in.slots.Unfinished(); from < to {
		k.cfg.Logger.Info("finishing what a killed process had received", "messages", to-from)
		k.take(from, to)
	}
}

// drain receives until nothing waits in the socket, but returns in between now
// and then, since a busy kernel fills it for ever.
func (k *Kernel) drain() (empty bool, err error) {
	for range 100 {
		limit := k.appetite()
		n, err := k.in.slots.Receive(k.socket.fd, limit)
		switch {
		case err == unix.EAGAIN:
			return true, nil
		case err == unix.ENOBUFS:
			k.counts.overruns.Add(1)
			continue
		case err != nil:
			return false, fmt.Errorf("receive from kernel audit: %w", err)
		}
		k.take(0, n)
		if n < limit {
			return true, nil
		}
	}
	return false, nil
}

// take puts the messages [from, to) of the batch into the ring.
func (k *Kernel) take(from, to int) {
	k.in.taken = from
	for i := from; i < to; i++ {
		k.message(i)
		k.in.taken = i + 1
	}
	k.in.commit()
}

// message deals with one message. The length is what was received: the kernel's
// nlmsg_len leaves the header out on this socket.
func (k *Kernel) message(i int) {
	message := k.in.slots.Message(i)
	if k.in.slots.Sender(i) != 0 {
		k.counts.foreign.Add(1)
		return
	}
	if len(message) < netlinkHeaderLen {
		k.counts.malformed.Add(1)
		return
	}
	if k.in.slots.Truncated(i) {
		k.counts.truncated.Add(1)
	}
	switch t := binary.NativeEndian.Uint16(message[4:]); {
	case t == netlinkError:
		k.acknowledged(message)
	case isRecord(t):
		if text := message[netlinkHeaderLen:]; k.in.admit() {
			k.in.room = AppendLine(k.in.room, RecordType(t), text)
			k.in.records++
		} else {
			k.in.refuse(text)
		}
	}
}

// isRecord tells records from the answers to commands, which share the number
// space: of the numbers below 1100 only USER and LOGIN are records; REPLACE is a
// question to the owner whether it still lives.
func isRecord(t uint16) bool {
	const user, login, firstRecord, replace = 1005, 1006, 1100, 1329
	return t >= firstRecord && t != replace || t == user || t == login
}

// appetite returns how many messages to receive next: as many as surely fit
// into the ring. Nearing its end, ProtectAudit takes one message at a time and
// rests in between, so that the kernel's queues fill and it holds back whom it
// audits; a reader that takes nothing at all would make it drop them instead
// (kernel/audit.c, kauditd_send_queue: five tries of 100 ms).
func (k *Kernel) appetite() int {
	free := k.in.ring.Free()
	switch {
	case free >= k.in.ring.Size()/4:
		k.holding = time.Time{}
	case k.cfg.Overload == ProtectAudit && free >= MaxLine:
		if k.holding.IsZero() {
			k.holding = time.Now()
			k.cfg.Logger.Warn("the disk does not keep up: holding back audited processes", "at most", k.cfg.HoldBack)
		}
		if time.Since(k.holding) < k.cfg.HoldBack {
			k.rest(50 * time.Millisecond)
			return 1
		}
	}
	if fits := free / MaxLine; fits > 0 {
		return min(fits, ring.Batch)
	}
	return ring.Batch // to be counted and refused
}

// rest waits until the ring has space again or d is over.
func (k *Kernel) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-k.in.ring.Space(k.in.ring.Size() / 4):
	case <-timer.C:
	}
}
