package auditbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"time"

	"golang.org/x/sys/unix"

	"auditbridge/journal/ring"
)

// DefaultBacklogLimit is how many records the kernel's queue takes at least while
// we own its audit.
const DefaultBacklogLimit = 8192

// KernelConfig configures the source "kernel".
type KernelConfig struct {
	ReceiveBuffer int // bytes of the socket's buffer; 0 means 16 MiB
	BacklogLimit  int // records in the kernel's queue, raised to this if lower; 0 means DefaultBacklogLimit
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
		c.BacklogLimit = DefaultBacklogLimit
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
	cfg KernelConfig
	receiver
	control *control

	answered uint32 // number of the last request the kernel answered …
	answer   error  // … and what it said
	undo     []func() error
}

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
		socket, err = openAuditSocket(cfg.ReceiveBuffer, 0)
	}
	if err != nil {
		ctl.close()
		return nil, fmt.Errorf("open kernel audit: %w", refusal(err, 0))
	}
	k := &Kernel{cfg: cfg, control: ctl}
	k.receiver = newReceiver(socket, r, cfg.Pressure, cfg.Pause, cfg.Logger)
	k.answers = k.acknowledged
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

// Signaller is who sent this process, while it owns the kernel's audit, the last
// SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2 (kernel/audit.c, audit_signal_info). Any
// goroutine may call it.
func (k *Kernel) Signaller() (Actor, error) { return k.control.signaller() }

// Unheard says which serials did not come; what the kernel itself counts is in
// Status. One goroutine may call it.
func (k *Kernel) Unheard(now time.Time) (Unheard, error) { return k.unheard(now), nil }

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
	k.log.Info("kernel audit taken")
	err := errors.Join(k.receive(ctx), k.linger(), k.release())
	k.serials.end()
	k.log.Info("kernel audit given back")
	return err
}
