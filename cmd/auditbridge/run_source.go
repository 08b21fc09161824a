package main

import (
	"errors"
	"fmt"
	"os"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal/ring"

	"golang.org/x/sys/unix"
)

const (
	// aheadLimit bounds what is read from auditd before it can be stored.
	aheadLimit = 32 << 20
	// predecessorWait is how long the process that auditd had before this one may
	// take to end: its destinations have a grace period each.
	predecessorWait = 20 * time.Second
)

// openInput begins to read what auditd writes to its plugin, before anything
// else is opened: it holds little for us, and then drops it.
func (d *daemon) openInput() error {
	if d.cfg.Audit.Source != "plugin" {
		return nil
	}
	from, kind, err := standardInput()
	if err != nil {
		return fmt.Errorf("read records from standard input: %w", err)
	}
	d.input, d.byAuditd = from, kind == unix.S_IFSOCK
	if kind != 0 {
		d.input = auditbridge.ReadAhead(from, aheadLimit)
	}
	return nil
}

// standardInput is the standard input, and which kind of it takes a deadline: a
// signal must stop us although auditd keeps its end open. kind is 0 when none does.
func standardInput() (from *os.File, kind uint32, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(unix.Stdin, &st); err != nil {
		return nil, 0, err
	}
	kind = st.Mode & unix.S_IFMT
	if kind != unix.S_IFIFO && kind != unix.S_IFSOCK {
		return os.Stdin, 0, nil
	}
	if flags, err := unix.FcntlInt(uintptr(unix.Stdin), unix.F_GETFL, 0); err == nil && flags&unix.O_NONBLOCK != 0 {
		return os.Stdin, kind, nil // it was so when we began, after a restart; then it has a poller already
	}
	if err := unix.SetNonblock(unix.Stdin, true); err != nil {
		return nil, 0, err
	}
	return os.NewFile(uintptr(unix.Stdin), "standard input"), kind, nil
}

// takeRing opens the ring. auditd starts a plugin again without waiting for the
// one before to end; that one gives the ring up last, so whoever has it has all
// else too.
func (d *daemon) takeRing(cfg ring.Config) (*ring.Ring, error) {
	said := false
	for deadline := time.Now().Add(predecessorWait); ; time.Sleep(20 * time.Millisecond) {
		r, err := ring.Open(cfg)
		if !errors.Is(err, ring.ErrInUse) || d.cfg.Audit.Source != "plugin" || time.Now().After(deadline) {
			return r, err
		}
		if !said {
			d.log.Info("waiting for the process before this one to end")
			said = true
		}
	}
}

// resumeSource tells a source what of it is stored already.
func (d *daemon) resumeSource() error {
	switch from := d.source.(type) {
	case *auditbridge.Follower:
		trail, err := d.journal.Trail()
		if err != nil {
			return fmt.Errorf("find in the journal where %s goes on: %w", d.cfg.Audit.Source, err)
		}
		from.Resume(trail)
	case interface{ Expect(serial uint32) }:
		if d.heir.Seen.Begun || d.inherits() {
			return nil // what it missed, if anything, is known already
		}
		serial, known, err := d.journal.LastSerial()
		if err != nil {
			return fmt.Errorf("find the last record in the journal: %w", err)
		}
		if known {
			from.Expect(serial)
		}
	}
	return nil
}

// fromAuditd is a source whose losses are found by what auditd hands over.
func (d *daemon) fromAuditd(from interface {
	source
	dispatched
}, err error) error {
	if err == nil {
		d.source, d.losses.auditd = from, from
		err = d.losses.begin()
	}
	return err
}
