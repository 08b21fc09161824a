package journal

import (
	"sync"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/journal/ring"
	"auditbridge/seal"
)

const (
	syncDelay = 50 * time.Millisecond // from the first unsynced byte to its fdatasync
	syncBytes = 1 << 20               // unsynced bytes that do not wait for it
)

// position is a place in the journal that a sync can make durable, with what
// is needed to go on from there in another segment.
type position struct {
	file    durable.File
	segment auditbridge.Sequence
	size    int64                // bytes of the segment up to here
	at      auditbridge.Sequence // of the last line up to here
	place   ring.Place           // in the ring
	block   blockStart           // where the open block began
}

// sync is what the ring is told while what lies behind p is not durable.
func (p *position) sync() ring.Sync {
	return ring.Sync{Segment: uint64(p.segment), Offset: uint64(p.size), At: uint64(p.at), Place: p.place}
}

// blockStart is where the block that is open at a position began.
type blockStart struct {
	first  auditbridge.Sequence
	offset int64 // in the segment
	prev   seal.Hash
	// carried are its lines in segments before, when the one they stand in
	// could not be gone on with. Usually none.
	carried []byte
}

// syncer makes durable what append has written, one fdatasync in flight, and
// raises the durable mark. run is the sync goroutine; append calls the others.
type syncer struct {
	raise func(auditbridge.Sequence)
	ring  intake        // is told what is not durable while it is not
	kick  chan struct{} // capacity 1: there is something to sync, or it has become urgent
	fault chan struct{} // capacity 1: err was set

	mu      sync.Mutex
	turned  sync.Cond // done or err changed
	written position
	done    position // what is durable
	since   time.Time
	urgent  bool
	running bool
	syncing bool  // sync is at it, without the lock
	err     error // of the fdatasync that failed; nothing is synced until install

	syncs atomic.Uint64
}

func newSyncer(raise func(auditbridge.Sequence), in intake) *syncer {
	s := &syncer{raise: raise, ring: in, kick: make(chan struct{}, 1), fault: make(chan struct{}, 1)}
	s.turned.L = &s.mu
	return s
}

// install makes p, all of it durable, the place from which to go on.
func (s *syncer) install(p position) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.written, s.done, s.err, s.urgent = p, p, nil, false
}

// wrote tells how far append has come.
func (s *syncer) wrote(p position, now time.Time) {
	s.mu.Lock()
	first := s.written.size == s.done.size
	if first {
		s.since = now
	}
	s.written = p
	full := p.size-s.done.size >= syncBytes && !s.urgent
	s.urgent = s.urgent || full
	s.mu.Unlock()
	if first || full {
		signal(s.kick)
	}
}

// settled waits for a sync under way and returns what is durable then.
func (s *syncer) settled() position {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.syncing {
		s.turned.Wait()
	}
	return s.done
}

// stop is settled for a file that is not gone on with: nothing is synced until
// install.
func (s *syncer) stop(why error) position {
	s.mu.Lock()
	defer s.mu.Unlock()
	for s.syncing {
		s.turned.Wait()
	}
	if s.err == nil {
		s.err = why
		s.turned.Broadcast()
	}
	return s.done
}

// position returns how far append has come.
func (s *syncer) position() position {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.written
}

// failed returns the error of the sync that failed, if one did.
func (s *syncer) failed() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	return s.err
}

// flush returns when all that was written is durable, or with the error why
// it is not.
func (s *syncer) flush() error {
	s.mu.Lock()
	defer s.mu.Unlock()
	if !s.running {
		return s.sync()
	}
	target := s.written.at
	s.urgent = true
	signal(s.kick)
	for s.err == nil && s.done.at < target {
		s.turned.Wait()
	}
	return s.err
}

// run syncs until stop is closed.
func (s *syncer) run(stop <-chan struct{}) {
	s.mu.Lock()
	s.running = true
	defer s.mu.Unlock()
	timer := time.NewTimer(0)
	defer timer.Stop()
	for {
		wait, idle := s.wait(time.Now())
		s.mu.Unlock()
		if idle {
			timer.Stop()
		} else {
			timer.Reset(wait)
		}
		stopped := false
		select {
		case <-stop:
			stopped = true
		case <-s.kick:
		case <-timer.C:
		}
		s.mu.Lock()
		if stopped {
			s.running = false
			return
		}
		if wait, idle := s.wait(time.Now()); !idle && wait <= 0 {
			s.sync()
		}
	}
}

// wait tells how long the unsynced bytes may wait; idle when there are none.
func (s *syncer) wait(now time.Time) (wait time.Duration, idle bool) {
	switch {
	case s.err != nil || s.written.at == s.done.at:
		return 0, true
	case s.urgent:
		return 0, false
	}
	return max(0, s.since.Add(syncDelay).Sub(now)), false
}

// sync makes durable what was written up to now. The lock is not held
// meanwhile. It is the only place where the durable mark moves. Die where we may,
// the ring or the mark says whether it has succeeded.
func (s *syncer) sync() error {
	if s.err != nil || s.written.at == s.done.at {
		return s.err
	}
	target := s.written
	s.urgent, s.syncing = false, true
	s.ring.Syncing(s.done.sync())
	s.mu.Unlock()
	err := target.file.Sync()
	if err == nil {
		s.raise(target.at)
		s.ring.Synced()
	}
	s.syncs.Add(1)
	s.mu.Lock()
	s.syncing = false
	if err != nil {
		s.err = err
		signal(s.fault)
	} else {
		s.done = target
		s.since = time.Now()
	}
	s.turned.Broadcast()
	return err
}

func signal(c chan struct{}) {
	select {
	case c <- struct{}{}:
	default:
	}
}
