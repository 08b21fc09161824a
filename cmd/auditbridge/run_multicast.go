package main

import (
	"errors"

	"auditbridge/auditbridge"
)

// openMulticast opens the source "multicast" and says what it finds. Whatever
// that is, run goes on: who owns kernel audit, and whether it is on, is not its
// business.
func (d *daemon) openMulticast() error {
	cfg := d.cfg.Multicast()
	cfg.Logger = d.log
	cfg.Seen = d.heir.Seen
	m, err := auditbridge.OpenMulticast(cfg, d.ring)
	if err != nil {
		return err
	}
	d.source, d.hears = m, m
	d.losses.kernel, d.losses.listener = m, m
	if err := errors.Join(d.losses.begin(), d.leaveEstate(nil, 0)); err != nil {
		return err
	}
	s, err := m.Status()
	switch {
	case err != nil: // begin has said why
	case s.Enabled == 0:
		d.log.Warn("kernel audit is switched off, and this source does not switch it on", "hint", "auditctl -e 1")
	case liveOwner(s.PID) == 0:
		d.log.Warn("nobody owns kernel audit: the kernel prints each record to its own log, too", "hint", `where auditd need not be, source = "kernel"`)
	default:
		d.log.Info("kernel audit has an owner, we listen beside it", "pid", s.PID, "name", processName(s.PID))
	}
	return nil
}

// withdrawExemptions takes back what a killed run left in the kernel's rules: the
// ring is ours, so that one is dead. A source that hears the kernel does that itself.
func (d *daemon) withdrawExemptions() error {
	if d.hears != nil {
		return nil
	}
	if err := auditbridge.WithdrawExemptions(d.cfg.ExemptionFile()); err != nil {
		d.log.Warn("what a killed run left in the kernel's rules stays there", "err", err)
	}
	return nil
}
