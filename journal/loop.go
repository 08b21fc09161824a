package journal

import (
	"context"
	"time"
)

const (
	// batchPause is how long the loop lets lines gather after it has written,
	// so that a busy host costs hundreds of wake-ups a second and not tens of
	// thousands. It is a tenth of what passes before they are durable.
	batchPause = 5 * time.Millisecond
	// longestWait bounds an idle turn: the heartbeat in the mark is never older.
	longestWait = 5 * time.Second
	// retryWait is how often a full disk is tried again.
	retryWait = time.Second
)

// ask is something to be done in the append loop.
type ask struct {
	do   func(now time.Time) error
	done chan error // capacity 1
}

// inLoop runs do in the append loop and returns its error, or ctx's.
func (j *Journal) inLoop(ctx context.Context, do func(now time.Time) error) error {
	a := ask{do, make(chan error, 1)}
	select {
	case j.asks <- a:
		return <-a.done
	case <-ctx.Done():
		return context.Cause(ctx)
	}
}

// loop is the append loop.
func (j *Journal) loop(ctx context.Context) error {
	timer := time.NewTimer(longestWait)
	defer timer.Stop()
	if j.looping = true; j.trouble.state != StateOK {
		j.tellState()
	}
	for {
		j.turn(time.Now())
		if j.ring.Drained() || ctx.Err() != nil {
			return nil
		}
		timer.Reset(j.untilNext(time.Now()))
		select {
		case <-j.ring.Wake():
			j.gather()
		case <-j.notes.bell:
		case <-j.sync.fault:
		case a := <-j.asks:
			a.done <- a.do(time.Now())
		case <-timer.C:
		case <-ctx.Done():
		}
	}
}

// gather lets more lines come in when the last turn was only just now.
func (j *Journal) gather() {
	if j.cfg.Flush == FlushData {
		return
	}
	if pause := batchPause - time.Since(j.lastTurn); pause > 0 {
		time.Sleep(pause)
	}
}

// untilNext is how long the loop may sleep when nothing comes.
func (j *Journal) untilNext(now time.Time) time.Duration {
	wait := longestWait
	if j.trouble.state != StateOK || j.refusal.open() {
		wait = retryWait
	}
	if due := j.schedule.due(); !due.IsZero() {
		wait = min(wait, due.Sub(now))
	}
	return max(wait, time.Millisecond)
}

// turn does all there is to do now.
func (j *Journal) turn(now time.Time) {
	j.lastTurn = now
	if err := j.sync.failed(); err != nil && j.seg != nil {
		j.fail(err, now)
	}
	if j.trouble.state == StateOK {
		j.ring.Settle(uint64(j.mark.Durable()))
		before, segment := j.at, j.sync.position().segment
		j.handle(j.work(now), now)
		if j.sync.position().segment != segment && j.cfg.OnSegment != nil {
			j.cfg.OnSegment()
		}
		if j.at != before && j.cfg.OnAppend != nil {
			j.cfg.OnAppend()
		}
	}
	if j.trouble.state != StateOK {
		j.wait(now)
	}
	j.publish(now)
}

// work appends notes and records, and does what is due.
func (j *Journal) work(now time.Time) error {
	for _, step := range []func(time.Time) error{
		j.replaceRemoved, j.payOwed, j.writeNotes, j.noteRefusals, j.drainRing, j.heartbeat, j.endByAge, j.checkpointIfDue,
	} {
		if err := step(now); err != nil {
			return err
		}
	}
	if j.cfg.Flush == FlushData {
		return j.sync.flush()
	}
	return nil
}

// drainRing appends what is pending.
func (j *Journal) drainRing(turn time.Time) error {
	now, began := turn, time.Now()
	for {
		pending := j.ring.Pending()
		if len(pending) == 0 {
			return nil
		}
		if err := j.appendPending(pending, now); err != nil {
			return err
		}
		// A long flood must not keep notes, checkpoints and faults waiting.
		if now = turn.Add(time.Since(began)); now.Sub(turn) > syncDelay {
			return nil
		}
	}
}

func (j *Journal) heartbeat(now time.Time) error {
	if now.Sub(j.lastLine) < j.cfg.Heartbeat {
		return nil
	}
	n := configNote("heartbeat")
	if err := j.appendNote(&n, now); err != nil {
		return err
	}
	return j.checkpoint(now)
}

func (j *Journal) checkpointIfDue(now time.Time) error {
	if due := j.schedule.due(); due.IsZero() || now.Before(due) {
		return nil
	}
	return j.checkpoint(now)
}

// atOnce writes what somebody waits for, and makes it durable. An error is the
// append loop's as if it had written by itself; in trouble it changes nothing.
func (j *Journal) atOnce(now time.Time, steps ...func(time.Time) error) error {
	if !j.begun() {
		return j.trouble.err
	}
	for _, step := range append(steps, func(time.Time) error { return j.sync.flush() }) {
		if err := step(now); err != nil {
			if j.trouble.state == StateOK {
				j.handle(err, now)
			}
			return err
		}
	}
	return nil
}

// Checkpoint signs and makes durable all that was written: before a halt.
func (j *Journal) Checkpoint(ctx context.Context) error {
	return j.inLoop(ctx, func(now time.Time) error { return j.atOnce(now, j.writeNotesIfCan, j.checkpoint) })
}

// writeNotesIfCan is writeNotes where in trouble what comes after matters more.
func (j *Journal) writeNotesIfCan(now time.Time) error {
	if err := j.writeNotes(now); err != nil && j.trouble.state == StateOK {
		return err
	}
	return nil
}

// finish ends the journal for now: what is noted is written, the farewell and the
// last checkpoint made, all made durable.
func (j *Journal) finish() error {
	now := time.Now()
	defer j.publish(now)
	if !j.begun() {
		return j.trouble.err
	}
	for _, step := range []func(time.Time) error{j.payOwed, j.writeNotes, j.noteAllRefusals, j.takeLeave, j.checkpoint} {
		if err := step(now); err != nil {
			return err
		}
	}
	err := j.sync.flush()
	j.ring.Settle(uint64(j.mark.Durable()))
	return err
}
