package auditbridge

import (
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/sys/unix"
)

// answerTime is how long the kernel may take to answer; it does so at once
// unless thousands of records come before the answer.
const answerTime = 10 * time.Second

// acquire makes this process the owner of kernel audit and enables it. What it
// changes, or a program before it did, it notes in k.undo. The queue is made longer
// before records come.
func (k *Kernel) acquire() error {
	var now Status
	if err := k.meanwhile(func() (err error) { now, err = k.control.status(); return err }); err != nil {
		return err
	}
	if limit := k.cfg.BacklogLimit; k.found.BacklogLimit < limit && k.found.BacklogLimit != 0 {
		err := k.change(now, now.BacklogLimit >= limit, func() error { return k.control.setBacklogLimit(limit) },
			func() error { return k.control.setBacklogLimit(k.found.BacklogLimit) })
		if err != nil {
			return err
		}
	}
	if mode := k.cfg.Failure; mode != 0 && k.found.Failure != mode {
		err := k.change(now, now.Failure == mode, func() error { return k.control.setFailure(mode) },
			func() error { return k.control.setFailure(k.found.Failure) })
		if err != nil {
			return err
		}
	}
	if err := k.register(now.PID); err != nil {
		return err
	}
	k.undo = append(k.undo, k.disown)
	if k.found.Enabled == 0 {
		return k.change(now, now.Enabled != 0, func() error { return k.control.setEnabled(true) },
			func() error { return k.control.setEnabled(false) })
	}
	return nil
}

// change sets a value, unless that is done, and notes how to set it back. A locked
// kernel refuses, which is no reason not to receive.
func (k *Kernel) change(now Status, done bool, set, back func() error) error {
	var err error
	if !done {
		err = k.meanwhile(set)
	}
	if err != nil && now.Enabled == 2 {
		k.log.Warn("kernel audit is locked until reboot", "err", err)
		return nil
	}
	if err == nil {
		k.undo = append(k.undo, func() error { return k.meanwhile(back) })
	}
	return err
}

// release undoes what acquire did, the last change first: audit is disabled
// before the owner leaves, so that no record is left without one.
func (k *Kernel) release() error {
	var errs []error
	for i := len(k.undo) - 1; i >= 0; i-- {
		errs = append(errs, k.undo[i]())
	}
	k.undo = nil
	if err := errors.Join(errs...); err != nil {
		return fmt.Errorf("give kernel audit back as it was found: %w", err)
	}
	return nil
}

// disown receives what the kernel has queued, gives up the ownership, and
// receives what came in between. On a host that goes on logging the queue may
// never be empty: it ends after a while. What a dead process is registered for
// nobody else can give up; the kernel notes it when the socket is closed.
func (k *Kernel) disown() error {
	for deadline := time.Now().Add(answerTime / 2); time.Now().Before(deadline); {
		var status Status
		err := k.meanwhile(func() (err error) { status, err = k.control.status(); return err })
		if err != nil || status.Backlog == 0 {
			break
		}
	}
	if k.dead.Load() == 0 {
		if err := k.setPID(0); err != nil {
			return err
		}
	}
	for empty := false; !empty; { // nothing is added any more
		var err error
		if empty, err = k.drain(); err != nil {
			return err
		}
	}
	return nil
}

// setPID sends the request and receives, records too, until it is answered.
func (k *Kernel) setPID(pid int) error {
	var seq uint32
	err := k.meanwhile(func() (err error) { seq, err = k.socket.sendSetPID(pid); return err })
	if err != nil {
		return err
	}
	for deadline := time.Now().Add(answerTime); k.answered != seq; {
		if time.Now().After(deadline) {
			return fmt.Errorf("the kernel did not answer within %v", answerTime)
		}
		if err := k.socket.wait(100); err != nil {
			return err
		}
		if _, err := k.drain(); err != nil {
			return err
		}
	}
	return k.answer
}

// meanwhile receives while ask is under way. Whoever sends the kernel a request
// while its queue is full is put to sleep until it is not (kernel/audit.c,
// audit_receive), the owner too: it must not wait for itself.
func (k *Kernel) meanwhile(ask func() error) error {
	done := make(chan error, 1)
	go func() {
		err := ask()
		k.socket.wakeUp() // first, so that nobody rings once the answer is there
		done <- err
	}()
	defer k.socket.quiet()
	for {
		_, err := k.drain()
		if err == nil {
			err = k.socket.wait(-1)
		}
		if err != nil {
			return errors.Join(err, <-done)
		}
		select {
		case err := <-done:
			return err
		default:
		}
	}
}

// answeredBy notes what the kernel sends to the owner's socket and is no record:
// the answer to a request, a negative errno or 0; and the question whether the owner
// lives, with the process that wants to be it.
func (k *Kernel) answeredBy(message []byte) {
	if len(message) < netlinkHeaderLen+4 {
		k.counts.malformed.Add(1)
		return
	}
	number := int32(binary.NativeEndian.Uint32(message[netlinkHeaderLen:]))
	if binary.NativeEndian.Uint16(message[4:]) == auditReplace {
		k.asker = int(number)
		return
	}
	k.answered, k.answer = binary.NativeEndian.Uint32(message[8:]), nil
	if number != 0 {
		k.answer = unix.Errno(-number)
	}
}

func (k *Kernel) owner() int {
	status, _ := k.control.status() // 0 when it cannot be told
	return status.PID
}
