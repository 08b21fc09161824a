package main

import (
	"context"
	"errors"
	"syscall"

	"auditbridge/auditbridge"

	"golang.org/x/sync/errgroup"
)

// Run works until ctx ends or the source does. Shutdown travels down the data
// path: ctx ends only the source, the journal ends when it has stored what the
// source left in the ring, and ship when it has sent what the journal holds or
// its grace period is over. An error of a stage ends the stages above it too:
// nothing is heard that cannot be kept. A restart (restarter.Run) has an order of its
// own; what it leaves is returned.
func (d *daemon) Run(ctx context.Context) (*handover, error) {
	d.noteStart()
	hear, stopHearing := context.WithCancelCause(ctx)
	defer stopHearing(nil)
	store, stopStoring := context.WithCancel(context.WithoutCancel(ctx))
	defer stopStoring()
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()
	send, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()
	beside, stopBeside := context.WithCancel(hear)
	defer stopBeside()

	var why string // nothing more is heard
	var g errgroup.Group
	stage := func(run func(context.Context) error, ctx context.Context, then func()) {
		g.Go(func() error {
			err := run(ctx)
			if err != nil {
				stopHearing(err)
			}
			if then != nil {
				then()
			}
			return err
		})
	}
	defer context.AfterFunc(hear, d.supervisor.stops)()
	d.alarms.begin()
	shut := make(chan struct{})
	stage(d.doors.Run, beside, func() { close(shut) })
	stage(d.hear, hear, func() {
		close(d.ended)
		why = endOf(hear)
		d.journal.Farewell(farewell(why, d.endedBy(hear)))
		stopHearing(nil) // a source that ends by itself ends what goes along with it
		<-shut           // what guests have done is on record before the farewell
		d.ring.Close()
	})
	sent, stored := make(chan struct{}), make(chan struct{})
	stage(d.journal.Run, store, func() { // ends with the ring
		close(stored)
		stopBelow()
		stopSending()
	})
	stage(func(ctx context.Context) error { return d.shipper.Run(ctx, d.startRelays) }, send, func() { close(sent) })
	stage(d.keeper.Run, beside, nil)
	stage(d.guard.Run, below, nil)
	stage(d.losses.Run, beside, nil)
	stage(d.clock.Run, beside, nil)
	stage(d.reloader.Run, beside, nil)
	stage(d.alarms.Run, beside, nil)
	stage(d.warnings.Run, beside, nil)
	stage(d.vigil.Run, beside, nil)
	if d.rules != nil {
		stage(d.rules.Run, beside, nil)
	}
	if d.accounts != nil {
		stage(d.accounts.Run, beside, nil)
	}
	g.Go(func() error {
		return d.restarter.Run(stages{
			endBeside: stopBeside, endSending: stopSending, endStoring: stopStoring, endHearing: stopHearing, shut: shut, sent: sent, stored: stored,
		})
	})

	stopAnswering := d.answer(context.WithoutCancel(ctx))
	err := g.Wait()
	d.leaveLastStatus(why)
	err = errors.Join(err, stopAnswering())
	if d.restarter.caused(hear) {
		return d.restarter.leave(hear), err
	}
	return nil, err
}

// answer tells whoever asks how we are, until stop is called: when all stages have
// ended.
func (d *daemon) answer(ctx context.Context) (stop func() error) {
	ctx, cancel := context.WithCancel(ctx)
	var g errgroup.Group
	g.Go(func() error { return d.tracker.Run(ctx) })
	g.Go(func() error { return d.control.Run(ctx) })
	g.Go(func() error { return d.supervisor.Run(ctx, d.begun()) })
	if d.metrics != nil {
		g.Go(func() error { return d.metrics.Run(ctx) })
	}
	return func() error {
		cancel()
		return g.Wait()
	}
}

// hear is the first stage.
func (d *daemon) hear(ctx context.Context) error {
	err := d.source.Run(ctx)
	d.losses.finish()
	if err == nil && !errors.Is(context.Cause(ctx), auditbridge.ErrHandOver) {
		d.removeEstate()
	}
	return err
}

// farewell is our last record; by is who ended us, or nil.
func farewell(why string, by *auditbridge.Actor) auditbridge.Note {
	n := auditbridge.OwnNote(auditbridge.TypeDaemonEnd, "stop", auditbridge.Text("why", why))
	if by != nil {
		n.Actor = *by
	}
	return n
}

// endedBy is who sent the SIGTERM that ended us, where the kernel says so: only of
// its audit daemon, and of no other signal that ends us. Else nil.
func (d *daemon) endedBy(hear context.Context) *auditbridge.Actor {
	var by signalled
	if !errors.As(context.Cause(hear), &by) || by.Signal != syscall.SIGTERM {
		return nil
	}
	if who := d.signaller(); who != nobody {
		return &who
	}
	return nil
}

// endOf says why nothing more is heard.
func endOf(hear context.Context) string {
	cause := context.Cause(hear)
	switch {
	case cause == nil:
		return "the source has ended"
	case errors.Is(cause, auditbridge.ErrHandOver):
		return errRestart.Error()
	case errors.Is(cause, context.Canceled):
		return "stopped by signal"
	}
	return cause.Error()
}
