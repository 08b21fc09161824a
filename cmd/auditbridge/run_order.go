package main

import (
	"context"
	"errors"

	"auditbridge/auditbridge"

	"golang.org/x/sync/errgroup"
)

// Run works until ctx ends or the source does. Shutdown travels down the data
// path: ctx ends only the source, the journal ends when it has stored what the
// source left in the ring, and ship when it has sent what the journal holds or
// its grace period is over. An error of a stage ends the stages above it too:
// nothing is heard that cannot be kept.
func (d *daemon) Run(ctx context.Context) error {
	d.noteStart()
	hear, stopHearing := context.WithCancelCause(ctx)
	defer stopHearing(nil)
	below, stopBelow := context.WithCancel(context.WithoutCancel(ctx))
	defer stopBelow()
	send, stopSending := context.WithCancel(context.WithoutCancel(ctx))
	defer stopSending()

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
	stage(d.source.Run, hear, func() {
		close(d.ended)
		d.losses.finish()
		why = endOf(hear)
		d.journal.Farewell(auditbridge.OwnNote(auditbridge.TypeDaemonEnd, "stop", auditbridge.Text("why", why)))
		stopHearing(nil) // a source that ends by itself ends what goes along with it
		d.ring.Close()
	})
	stage(func(ctx context.Context) error {
		return d.journal.Run(context.WithoutCancel(ctx)) // ends with the ring
	}, below, func() {
		stopBelow()
		stopSending()
	})
	stage(func(ctx context.Context) error { return d.shipper.Run(ctx, d.startShip) }, send, nil)
	stage(d.keeper.Run, hear, nil)
	stage(d.guard.Run, below, nil)
	stage(d.losses.Run, hear, nil)
	stage(d.reloader.Run, hear, nil)
	stage(d.alarms.Run, hear, nil)
	stage(d.warnings.Run, hear, nil)
	if d.accounts != nil {
		stage(d.accounts.Run, hear, nil)
	}

	answer, stopAnswering := context.WithCancel(context.WithoutCancel(ctx))
	defer stopAnswering()
	var speaking errgroup.Group
	speaking.Go(func() error { return d.tracker.Run(answer) })
	speaking.Go(func() error { return d.control.Run(answer) })
	speaking.Go(func() error { return d.supervisor.Run(answer, d.begun()) })
	if d.metrics != nil {
		speaking.Go(func() error { return d.metrics.Run(answer) })
	}
	err := g.Wait()
	d.leaveLastStatus(why)
	stopAnswering()
	return errors.Join(err, speaking.Wait())
}

// endOf says why nothing more is heard.
func endOf(hear context.Context) string {
	cause := context.Cause(hear)
	switch {
	case cause == nil:
		return "the source has ended"
	case errors.Is(cause, context.Canceled):
		return "stopped by signal"
	}
	return cause.Error()
}
