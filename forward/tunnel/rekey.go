package tunnel

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"time"
)

// x/crypto/ssh agrees on new keys by volume alone and cannot be asked to. So there
// are two ways to have no key in use for too long: another connection, which costs
// a handshake, or volume. Padding up to a threshold that is low enough is what it
// takes for the second.

const (
	lowThreshold = 4 << 20 // bytes, with RekeyInPlace
	padding      = 32000   // bytes of one request that means nothing
)

// threshold is how many bytes one key protects in one direction.
func (s *session) threshold() uint64 {
	if s.cfg.RekeyInPlace {
		return min(uint64(s.cfg.RekeyBytes), lowThreshold)
	}
	return uint64(s.cfg.RekeyBytes)
}

// keyAge is how long the keys in use have been.
func (s *session) keyAge() time.Duration { return time.Since(time.Unix(0, s.keyed.Load())) }

// rekeyByAge has new keys agreed on when the ones in use are too old.
func (s *session) rekeyByAge() {
	for {
		select {
		case <-s.done:
			return
		case <-time.After(s.cfg.RekeyAge - s.keyAge()):
		}
		if s.keyAge() < s.cfg.RekeyAge {
			continue // by volume, meanwhile
		}
		if err := s.rekey(); err != nil {
			s.fail(err)
			return
		}
	}
}

// rekey sends what means nothing until the library exchanges keys.
func (s *session) rekey() error {
	before, text := s.keyed.Load(), make([]byte, padding)
	for range 2 * s.threshold() / padding {
		if s.keyed.Load() != before {
			return nil
		}
		if _, _, err := s.client.SendRequest("keepalive@openssh.com", false, text); err != nil {
			return err
		}
	}
	// All that is needed has been sent; the exchange itself may take a while.
	for limit := time.Now().Add(s.cfg.HandshakeTimeout); s.keyed.Load() == before; time.Sleep(10 * time.Millisecond) {
		if isClosed(s.done) {
			return s.err
		}
		if time.Now().After(limit) {
			return &SilenceError{Server: s.cfg.server(), Asked: "agree on new keys", Within: s.cfg.HandshakeTimeout}
		}
	}
	return nil
}

// used counts the channels; a session that was replaced goes with its last one.
func (s *session) used(n int) {
	s.mu.Lock()
	s.conns += n
	over := s.retired && s.conns == 0
	s.mu.Unlock()
	if over {
		s.fail(errReplaced)
	}
}

// retire says that nothing new goes through the session.
func (s *session) retire() {
	s.mu.Lock()
	s.retired = true
	s.mu.Unlock()
	s.used(0)
}

var errReplaced = errors.New("another connection with new keys has taken its place")

// KeyAgeError: the keys are too old, and no other connection could be made.
type KeyAgeError struct {
	Server string
	After  time.Duration
	Err    error // why not
}

func (e *KeyAgeError) Error() string {
	return fmt.Sprintf("replace the connection to %s, whose keys are %v old: %v", e.Server, e.After.Round(time.Second), e.Err)
}

// Unwrap returns why no other connection could be made.
func (e *KeyAgeError) Unwrap() error { return e.Err }

// Renewal is closed when connections that were dialled before it was asked for
// should be replaced: their keys have been in use for long enough, and a connection
// with new ones is there already.
func (t *Tunnel) Renewal() <-chan struct{} {
	t.mu.Lock()
	defer t.mu.Unlock()
	return t.renewal
}

// replaceInTime makes the connection after s before the keys of s are too old, and
// gives s up when it cannot be made. The same when below closes: what s goes through
// is old itself, and stays until s is gone.
func (t *Tunnel) replaceInTime(s *session, below <-chan struct{}) {
	// Hosts that were cut off together do not come back together every time.
	early := time.Duration(rand.Int64N(int64(s.cfg.RekeyAge/10) + 1))
	due := func() time.Duration { return s.cfg.RekeyAge - early - s.keyAge() }
	last := s.cfg.RekeyAge + s.cfg.RekeyAge/12
	for wait := due(); ; {
		select {
		case <-s.done:
			return
		case <-below:
			below, early, last = nil, s.cfg.RekeyAge, s.keyAge()+s.cfg.RekeyAge/12
		case <-time.After(wait):
		}
		if wait = due(); wait > 0 {
			continue // new keys by volume, meanwhile
		}
		err := t.replace(s)
		if err == nil {
			return
		}
		t.log.Warn("a connection with new keys could not be made", "tunnel", t.cfg.Name, "err", err)
		if age := s.keyAge(); age > last {
			s.fail(&KeyAgeError{s.cfg.server(), age, err})
			return
		}
		wait = s.cfg.RekeyAge / 48
	}
}

// replace makes a connection, and has whoever uses s change over to it.
func (t *Tunnel) replace(s *session) error {
	next := t.begin()
	<-next.done
	if next.err != nil {
		return next.err
	}
	t.mu.Lock()
	if t.closed || t.current == nil || t.current.session != s {
		t.mu.Unlock()
		next.session.fail(errReplaced) // somebody else was first
		return nil
	}
	t.current = next
	close(t.renewal)
	t.renewal = make(chan struct{})
	t.mu.Unlock()
	s.retire()
	return nil
}
