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
	from, pollable, err := standardInput()
	if err != nil {
		return fmt.Errorf("read records from standard input: %w", err)
	}
	if d.input = from; pollable {
		d.input = auditbridge.ReadAhead(from, aheadLimit)
	}
	return nil
}

// standardInput is the standard input; if pollable, a deadline ends a read from
// it: a signal must stop us although auditd keeps its end of the pipe open.
func standardInput() (from *os.File, pollable bool, err error) {
	var st unix.Stat_t
	if err := unix.Fstat(unix.Stdin, &st); err != nil {
		return nil, false, err
	}
	if kind := st.Mode & unix.S_IFMT; kind != unix.S_IFIFO && kind != unix.S_IFSOCK {
		return os.Stdin, false, nil
	}
	if err := unix.SetNonblock(unix.Stdin, true); err != nil {
		return nil, false, err
	}
	return os.NewFile(uintptr(unix.Stdin), "standard input"), true, nil
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

// resumeSource tells a source that can go on somewhere where that is.
func (d *daemon) resumeSource() error {
	from, ok := d.source.(*auditbridge.Follower)
	if !ok {
		return nil
	}
	trail, err := d.journal.Trail()
	if err != nil {
		return fmt.Errorf("find in the journal where %s goes on: %w", d.cfg.Audit.Source, err)
	}
	from.Resume(trail)
	return nil
}
