package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

const (
	batchSize   = 64 << 10               // bytes handed to one Write
	settleEvery = 100 * time.Millisecond // how often acknowledgements are looked at
	reportEvery = time.Second            // how often the cursor is made durable
	calm        = 5 * time.Second        // longest wait with nothing under way
)

// session is one connection's life. One goroutine reads the journal and
// sends; another hears the far end, for its answers and to notice that it closes.
// Whatever has not arrived at its end is read from the journal again.
type session struct {
	*Relay
	transport Transport
	source    Source
	stream    stream
	flight    inFlight
	pace      pace

	resumed  auditbridge.Sequence // the cursor's place: up to here lines only rebuild what was open
	hash     [32]byte             // of that line; checked when it comes by
	last     auditbridge.Sequence // read last
	marked   journal.Cursor       // of the last mark
	sent     uint64               // bytes of all batches
	lull     lull
	looked   time.Time // at acknowledgements
	reported time.Time
	unsaid   bool // the cursor has moved since it was reported

	broken    context.Context // ends with the connection, its cause is why
	finishing atomic.Bool     // we take our leave
	renew     <-chan struct{} // closed when another connection should take over; nil is never
	bye       chan struct{}   // closed when the far end has closed in order after that
	failures  int             // to connect, before this
	announced bool            // that the link is up
}

// serve sends by t until it breaks, or until ctx ends and all is sent. work cuts
// it off. It ends when renew is closed, too, to go on with another connection.
func (r *Relay) serve(ctx, work context.Context, t Transport, renew <-chan struct{}, failures int) error {
	defer t.Close()
	s := &session{Relay: r, transport: t, renew: renew, resumed: r.cursor.At, hash: r.cursor.LineHash, marked: r.cursor, bye: make(chan struct{}),
		flight: inFlight{settle: r.cfg.settle()}, pace: pace{rate: r.cfg.CatchUpRate}, reported: time.Now(), failures: failures}
	var from auditbridge.Sequence
	s.stream, from = newStream(&r.cfg, r.cursor, &r.census, t.Frame)
	var err error
	if s.source, err = r.journal.Open(from); err != nil {
		return err
	}
	defer s.source.Close()
	s.last = max(from, 1) - 1
	broken, breakOff := context.WithCancelCause(work)
	defer breakOff(nil)
	s.broken = broken
	defer context.AfterFunc(broken, func() { t.Close() })() // whatever ends it also ends a Send
	go s.listen(breakOff)
	if r.protocol.promise != Acknowledged {
		s.announce()
	}
	err = s.send(ctx)
	s.report(true)
	if cause := context.Cause(broken); cause != nil && err != errFinished && err != errRenewed && work.Err() == nil {
		return cause
	}
	return err
}

// listen notices what the far end does.
func (s *session) listen(breakOff context.CancelCauseFunc) {
	switch err := s.transport.Listen(); {
	case err != nil:
		breakOff(err)
	case s.finishing.Load():
		close(s.bye)
	default:
		breakOff(errClosed)
	}
}

// send moves lines from the journal to the connection.
func (s *session) send(ctx context.Context) error {
	for {
		last := ctx.Err() != nil // before it is read: all that is there when we are told to end is sent
		seq, line, err := s.source.Next()
		var damage *journal.CorruptionError
		switch {
		case err == nil:
			err = s.take(seq, line)
		case errors.Is(err, io.EOF):
			err = s.pause(ctx, last)
		case errors.As(err, &damage):
			s.log.Error("the journal is damaged here; sending goes on behind it", "err", err)
			err = nil
		}
		if err != nil {
			return err
		}
	}
}

// take handles one line.
func (s *session) take(seq auditbridge.Sequence, line []byte) error {
	if seq == s.resumed && s.hash != [32]byte{} && lineHash(line) != s.hash {
		s.restart("the journal's line at the cursor is another one: the directory was restored or forked")
		return errors.New("the cursor does not fit the journal")
	}
	s.last = seq
	s.stream.push(seq, line)
	if len(*s.stream.batch()) < batchSize {
		return nil
	}
	if err := s.flush(false); err != nil {
		return err
	}
	return s.makeRoom()
}

// flush sends the batch; atEnd says that the journal has no more just now.
func (s *session) flush(atEnd bool) error {
	batch := s.stream.batch()
	if len(*batch) > 0 {
		if err := s.transport.Send(*batch); err != nil {
			return s.sendError(err)
		}
		s.sent += uint64(len(*batch))
		if wait := s.pace.sent(len(*batch), time.Now()); wait > 0 {
			sleep(s.broken, wait)
		}
		*batch = (*batch)[:0]
	}
	now := time.Now()
	if atEnd || s.flight.due(now) {
		if c := s.stream.position(); c.At > s.marked.At || c.Delivered+c.Excluded > s.marked.Delivered+s.marked.Excluded {
			s.marked = c
			s.flight.add(s.sent, c, now)
		}
	}
	if atEnd || now.Sub(s.looked) >= settleEvery {
		s.settle(now)
		return s.transport.Tend(now)
	}
	return nil
}

func (s *session) sendError(err error) error {
	if errors.Is(err, os.ErrDeadlineExceeded) {
		return &StalledError{Peer: s.transport.Peer(), After: s.cfg.WriteTimeout}
	}
	return fmt.Errorf("send to %s: %w", s.transport.Peer(), err)
}

// announce says that the link is up: where answers are given, once there was one, or
// nothing is to be answered. A far end that lets everybody in and refuses what he
// brings would else seem well every few seconds.
func (s *session) announce() {
	if !s.announced {
		s.announced = true
		s.up(s.transport.Peer(), s.failures)
	}
}

// settle moves the cursor over what has arrived.
func (s *session) settle(now time.Time) {
	s.looked = now
	arrived := s.transport.Arrived()
	if m, ok := s.flight.settled(arrived, now); ok {
		s.cursor, s.unsaid = m.cursor, true
	}
	if arrived > 0 || s.sent == 0 {
		s.announce()
	}
	s.balance()
	s.report(false)
}

func (s *session) report(atOnce bool) {
	if s.unsaid && (atOnce || time.Since(s.reported) >= reportEvery) {
		s.reported, s.unsaid = time.Now(), false
		s.observer.MoveCursor(s.cursor)
	}
}

// pause is for when the journal has nothing more: send what there is, see what
// arrived, and wait, or take leave when that was the last look.
func (s *session) pause(ctx context.Context, last bool) error {
	if err := s.flush(true); err != nil {
		return err
	}
	if err := s.makeRoom(); err != nil {
		return err
	}
	now := time.Now()
	wait := calm
	if s.stream.waiting() > 0 {
		if last && s.journal.Written() > s.last {
			return s.leave(errFinished) // somebody goes on, and reads the events that have no end yet once more
		}
		var quiet auditbridge.Sequence
		if quiet, wait = s.lull.follow(s.last, s.journal.Written(), now, s.cfg.Idle); quiet > 0 {
			s.stream.idle(quiet)
			return s.flush(true)
		}
	} else if last {
		return s.finish()
	}
	if len(s.flight.marks) > 0 || s.unsaid {
		wait = min(wait, settleEvery)
	}
	until, cancel := context.WithTimeout(s.broken, wait)
	defer cancel()
	if !last {
		defer context.AfterFunc(ctx, cancel)()
	}
	if err := s.source.Wait(until); err != nil && until.Err() == nil {
		return err
	}
	return context.Cause(s.broken)
}

// finish sends what has no end yet and takes leave.
func (s *session) finish() error {
	s.stream.end()
	if err := s.flush(true); err != nil {
		return err
	}
	return s.leave(errFinished)
}

// makeRoom takes leave when another connection should take over. That one reads
// the events that have no end yet once more.
func (s *session) makeRoom() error {
	select {
	case <-s.renew:
	default:
		return nil
	}
	if err := s.flush(true); err != nil { // so that a mark covers all that was sent
		return err
	}
	long := time.AfterFunc(s.cfg.Grace, func() { s.transport.Close() })
	defer long.Stop()
	return s.leave(errRenewed)
}

// leave ends the session with the error done: when the far end takes its leave,
// too, all has arrived.
func (s *session) leave(done error) error {
	s.finishing.Store(true)
	if err := s.transport.Leave(); err != nil {
		return s.sendError(err)
	}
	select {
	case <-s.bye:
		if m, ok := s.flight.all(); ok {
			s.cursor, s.unsaid = m.cursor, true
		}
	case <-s.broken.Done():
		s.log.Warn("the far end did not close in time; what it did not acknowledge is sent again")
	}
	s.settle(time.Now())
	return done
}

// StalledError: the far end takes nothing.
type StalledError struct {
	Peer  string
	After time.Duration
}

func (e *StalledError) Error() string {
	return fmt.Sprintf("send to %s: it took nothing for %v", e.Peer, e.After)
}

// Hint says what to do.
func (e *StalledError) Hint() string {
	return "look at the log server: is it hung, or is its disk full?"
}
