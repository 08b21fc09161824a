package journal

import (
	"context"
	"errors"
	"time"

	"auditbridge/auditbridge"
)

// lastWords is the part of the reserve kept for our own lines when the ring's
// have taken the rest: an eighth.
func (c *Config) lastWords() int64 { return c.reserve / 8 }

// trouble is why nothing is stored at the moment.
type trouble struct {
	state State
	err   error
	since time.Time
	tried time.Time // when mending was last tried
	word  string    // for the record: the state it was, also while Resume ends it
}

// handle turns an error of the append loop into a state: a full disk waits
// for space, any other error costs the open segment.
func (j *Journal) handle(err error, now time.Time) {
	switch {
	case err == nil:
	case isFull(err) && j.seg != nil && !errors.As(err, new(*namingError)):
		j.fill(err, now)
	default:
		j.fail(err, now)
	}
}

// fill enters StateFull: the reserve takes what the ring holds, our last
// words, and a last checkpoint.
func (j *Journal) fill(why error, now time.Time) {
	j.enter(StateFull, why, now)
	n := auditbridge.OwnFailure("disk-full", auditbridge.Number("durable", j.mark.Durable()))
	if err := j.lastStand(&n, now); err != nil {
		j.fail(err, now)
	}
}

// lastStand uses the reserve while there is some.
func (j *Journal) lastStand(n *auditbridge.Note, now time.Time) error {
	for {
		chunk := wholeLines(j.ring.Pending(), j.roomInBlock())
		if len(chunk) == 0 && len(j.ring.Pending()) > 0 {
			if err := j.endBlock(now); err != nil {
				return err
			}
			continue
		}
		if len(chunk) == 0 || j.seg.left() < int64(len(chunk))+j.cfg.lastWords() {
			break
		}
		if err := j.writePending(chunk, now); err != nil {
			return err
		}
	}
	if j.seg.left() < j.cfg.lastWords()/4 {
		return nil // a disk that fills again and again has used even this up
	}
	if err := j.appendNote(n, now); err != nil {
		return err
	}
	if err := j.checkpoint(now); err != nil {
		return err
	}
	return j.sync.flush()
}

// wait is a turn in trouble: what comes in is counted and given up, and from
// time to time mending is tried.
func (j *Journal) wait(now time.Time) {
	for pending := j.ring.Pending(); len(pending) > 0; pending = j.ring.Pending() {
		j.discard(pending, now)
	}
	if now.Sub(j.trouble.tried) < retryWait {
		return
	}
	j.trouble.tried = now
	var err error
	switch j.trouble.state {
	case StateSuspended:
		return
	case StateFull:
		switch {
		case j.late != nil:
			err = j.beginLate(now)
		default:
			if err = j.seg.extend(0); err == nil {
				err = createNext(j.dir, &j.cfg)
			}
			if j.seg.left() >= j.cfg.reserve && isFull(err) && outOfInodes(j.seg.file) {
				err = nil // this segment can grow
			}
		}
	case StateFailed:
		err = j.newSegmentAfter(j.sync.settled(), now)
	}
	if err == nil {
		j.resume(now)
		return
	}
	j.because(err)
}

// resume goes back to storing. What was noted meanwhile comes first, in its
// order. The gap is put on record by noteAllRefusals.
func (j *Journal) resume(now time.Time) {
	was := j.trouble
	j.enter(StateOK, nil, now)
	n := auditbridge.OwnNote(auditbridge.TypeDaemonResume, "resumed", auditbridge.Text("state", was.word), auditbridge.Moment("since", was.since))
	var err error
	if j.seg.size == 0 {
		err = j.writeHeader(now)
	}
	for _, step := range []func(time.Time) error{
		j.payOwed, j.writeNotes,
		func(now time.Time) error { return j.appendNote(&n, now) },
		j.noteAllRefusals,
	} {
		if err == nil {
			err = step(now)
		}
	}
	j.handle(err, now)
}

func (j *Journal) enter(s State, why error, now time.Time) {
	if j.trouble.state == s {
		j.because(why)
		return
	}
	j.trouble = trouble{state: s, err: why, since: now, tried: now, word: s.String()}
	j.because(why)
	j.books.state.Store(uint32(s))
	if s != StateOK {
		j.log.Error("recording stops", "state", s.String(), "err", why)
	} else {
		j.log.Info("recording goes on", "state", s.String())
	}
	j.tellState()
}

// because says why nothing is stored, to Stats as well.
func (j *Journal) because(why error) {
	j.trouble.err = why
	j.books.err.Store(&why)
}

// tellState calls OnState, in the append loop only: who opens the journal may
// not be able to hear it before.
func (j *Journal) tellState() {
	if j.looping && j.cfg.OnState != nil {
		j.cfg.OnState(j.trouble.state)
	}
}

// Suspend stops storing until Resume: records are drained and counted.
func (j *Journal) Suspend(ctx context.Context) error {
	return j.inLoop(ctx, func(now time.Time) error {
		if j.trouble.state != StateOK {
			j.trouble.state, j.trouble.word = StateSuspended, StateSuspended.String()
			j.books.state.Store(uint32(StateSuspended))
			return nil
		}
		n := configNote("suspend")
		if err := j.atOnce(now, func(now time.Time) error { return j.appendNote(&n, now) }, j.checkpoint); err != nil {
			return err
		}
		j.enter(StateSuspended, nil, now)
		return nil
	})
}

// Resume ends StateSuspended, and tries at once to mend any other trouble.
func (j *Journal) Resume(ctx context.Context) error {
	return j.inLoop(ctx, func(now time.Time) error {
		if j.trouble.state == StateSuspended {
			j.trouble.state = StateFull
			if j.seg == nil && j.late == nil {
				j.trouble.state = StateFailed
			}
			j.books.state.Store(uint32(j.trouble.state))
		}
		if j.trouble.state != StateOK {
			j.trouble.tried = time.Time{}
			j.wait(now)
		}
		return j.trouble.err
	})
}
