package auditbridge

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"runtime"
	"sync"
	"sync/atomic"
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
	Pause time.Duration
	// Inherited is what an owner before this one left; the zero value is nothing.
	Inherited Inheritance
	// ExemptionFile remembers for whom the kernel was told to make an exception, so
	// that a successor takes it back when we die; empty means that none is made.
	ExemptionFile string
	Logger        *slog.Logger // nil means none
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
	control   *control
	exemption *exemption

	answered uint32       // number of the last request the kernel answered …
	answer   error        // … and what it said
	asker    int          // who the kernel last said wants to be the socket's owner
	heir     bool         // the socket is another process's that left it
	dead     atomic.Int32 // the process that is registered as our socket's owner; 0 when we are
	found    Status       // kernel audit before it was taken
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
	k := &Kernel{cfg: cfg, control: ctl, exemption: newExemption(ctl, cfg.ExemptionFile, cfg.Logger)}
	socket := k.inherit()
	if socket == nil {
		socket, err = k.newSocket()
	}
	if err != nil {
		ctl.close()
		return nil, fmt.Errorf("open kernel audit: %w", refusal(err, 0))
	}
	k.receiver = newReceiver(socket, r, cfg.Pressure, cfg.Pause, cfg.Logger)
	k.answers = k.answeredBy
	if k.heir {
		if err := k.succeed(); err != nil {
			return nil, fmt.Errorf("open kernel audit: %w", errors.Join(err, k.Close()))
		}
	}
	return k, nil
}

// newSocket opens a socket, unless somebody else has kernel audit.
func (k *Kernel) newSocket() (*auditSocket, error) {
	status, err := k.control.status()
	if err != nil {
		return nil, err
	}
	if status.PID != 0 && status.PID != os.Getpid() && unix.Kill(status.PID, 0) != unix.ESRCH {
		// The kernel names a dead owner until it next tries to deliver to it.
		return nil, OwnedError{status.PID}
	}
	if k.found = status; k.cfg.Inherited.Found != nil {
		k.found = *k.cfg.Inherited.Found
	}
	return openAuditSocket(k.cfg.ReceiveBuffer, 0)
}

// Close closes the sockets. The kernel then forgets its owner, in case Run did
// not end in order, unless somebody else has the socket, too.
func (k *Kernel) Close() error {
	k.exemption.withdraw()
	err := k.socket.close()
	if k.dead.Load() != 0 {
		k.control.forgetOwner()
	}
	return errors.Join(err, k.control.close())
}

// Status asks the kernel. A dead process that left us its socket, and is its owner
// still to the kernel, counts as this one. Any goroutine may call it.
func (k *Kernel) Status() (Status, error) {
	s, err := k.control.status()
	if dead := int(k.dead.Load()); dead != 0 && s.PID == dead {
		s.PID = os.Getpid()
	}
	return s, err
}

// Found is what kernel audit was like before it was taken, by us or by a process
// that left it to us.
func (k *Kernel) Found() Status { return k.found }

// Rules asks the kernel how many rules are loaded, those that exempt us not counted.
// It costs the kernel a message per rule. Any goroutine may call it.
func (k *Kernel) Rules() (int, error) { return k.exemption.keep() }

// Exempted are the processes that are kept from being audited by rules of ours. Any
// goroutine may call it; it waits while the kernel is asked for them.
func (k *Kernel) Exempted() []int { return k.exemption.exempted() }

// Signaller is who sent this process, while it owns the kernel's audit, the last
// SIGTERM, SIGHUP, SIGUSR1 or SIGUSR2 (kernel/audit.c, audit_signal_info). It is not
// known where the owner is a dead process. Any goroutine may call it.
func (k *Kernel) Signaller() (Actor, error) {
	if dead := k.dead.Load(); dead != 0 {
		return Actor{}, fmt.Errorf("ask the kernel who sent a signal: it remembers that of process %d, which is dead and left us its socket", dead)
	}
	return k.control.signaller()
}

// Unheard says which serials did not come; what the kernel itself counts is in
// Status. One goroutine may call it.
func (k *Kernel) Unheard(now time.Time) (Unheard, error) { return k.serials.unheard(now), nil }

// Run takes the kernel's audit over, enables it, and receives until ctx ends.
// Then it gives the kernel back as it was found, but for records: what was
// logged by then is received. It does not close the ring. When ErrHandOver ends
// ctx, the kernel stays as it is: Bequeath is for whoever goes on.
func (k *Kernel) Run(ctx context.Context) error {
	runtime.LockOSThread() // a thread of its own is never late for want of another goroutine
	defer runtime.UnlockOSThread()
	k.finish()
	if err := k.acquire(); err != nil {
		return fmt.Errorf("take over kernel audit: %w", errors.Join(err, k.release()))
	}
	var asking sync.WaitGroup
	asking.Go(k.exempt) // a busy kernel answers late; meanwhile we receive
	k.log.Info("kernel audit taken")
	err := k.receive(ctx)
	if err == nil && errors.Is(context.Cause(ctx), ErrHandOver) {
		return k.meanwhile(func() error { asking.Wait(); return nil })
	}
	err = errors.Join(err, k.linger(), k.release())
	asking.Wait()
	k.serials.end()
	k.log.Info("kernel audit given back")
	return err
}

// exempt keeps us from being audited where the kernel by itself does not: it spares
// its owner. What a killed process left of that it takes back.
func (k *Kernel) exempt() {
	k.exemption.succeed()
	if k.dead.Load() != 0 {
		k.exemption.begin()
	}
}
