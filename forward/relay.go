package forward

import (
	"context"
	"errors"
	"log/slog"
	"math/rand/v2"
	"sync"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/tlslink"
	"auditbridge/journal"
)

// Observer hears what a relay has to tell. Its methods must not block for
// long: they are called between reading and writing.
type Observer interface {
	// MoveCursor says that c may be made durable.
	MoveCursor(c journal.Cursor)
	// Restart says that sending begins again with the oldest record kept.
	Restart(why string)
	// Link says that the connection came up, or went down and why.
	Link(LinkChange)
}

// LinkChange is a connection that came up, or went down or could not be made.
type LinkChange struct {
	Up   bool
	Peer string
	Why  error            // of one that did not end in order
	TLS  *tlslink.Session // of one that came up and is in TLS
}

// Stats is a relay's balance sheet, in records. What it read, or has yet to
// read, is delivered, excluded or pending; the two sides are counted apart.
type Stats struct {
	Connected bool              `json:"connected"`
	Since     time.Time         `json:"since"` // of the present state
	Delivered uint64            `json:"delivered"`
	Excluded  uint64            `json:"excluded"`
	Pending   uint64            `json:"pending"` // durable here, not acknowledged there
	Read      uint64            `json:"read"`    // each once; what is durable counts as read
	Missed    uint64            `json:"missed"`  // gone from the journal before this relay could read them
	Classes   map[string]uint64 `json:"classes"` // events read since ship started, sent or not
	Pieces    map[string]uint64 `json:"pieces"`  // of these, what is no whole event: by limit, late or malformed
	LastError string            `json:"last_error"`
	Hint      string            `json:"hint,omitempty"`
	TLS       *tlslink.Session  `json:"tls,omitempty"` // of the connection there is, or was last
}

// Relay sends what a journal holds to one destination.
type Relay struct {
	cfg      Config
	protocol *protocol
	journal  Journal
	dialer   Dialer
	observer Observer
	log      *slog.Logger

	session atomic.Pointer[tlslink.Session] // of the connection dialled last

	cursor journal.Cursor // acknowledged or excluded up to here
	census census

	mu      sync.Mutex
	stats   Stats          // of the link
	counted journal.Cursor // whose books are told
}

// NewRelay validates cfg. A zero cursor begins with the oldest record kept. It
// starts nothing.
func NewRelay(cfg Config, j Journal, d Dialer, cursor journal.Cursor, o Observer, log *slog.Logger) (*Relay, error) {
	if err := cfg.Validate(); err != nil {
		return nil, err
	}
	r := &Relay{cfg: cfg.withDefaults(), protocol: protocolOf(cfg.Protocol), journal: j, observer: o, log: log.With("dest", cfg.Name), cursor: cursor}
	r.dialer = sessions{d, &r.session}
	r.stats.Since = time.Now()
	r.balance()
	return r, nil
}

// errFinished is how a session says that all is sent and acknowledged, or as
// much of it as the grace period allowed.
var errFinished = errors.New("finished")

// errRenewed is how a session says that it has made room for another, with all
// that it sent acknowledged, or as much of it as the grace period allowed.
var errRenewed = errors.New("the connection is replaced by one with new keys")

// Run sends until ctx ends, then reads on to the durable mark, takes leave of
// the far end, and returns within the grace period. Whoever comes in the end, or is just
// about to connect for the first time, has that period for it; a far end that has failed is
// not waited for. With the errors of network and journal it lives: they are told and tried again.
func (r *Relay) Run(ctx context.Context) error {
	work, cutOff := context.WithCancel(context.WithoutCancel(ctx))
	defer cutOff()
	defer context.AfterFunc(ctx, func() {
		stop := time.AfterFunc(r.cfg.Grace, cutOff)
		context.AfterFunc(work, func() { stop.Stop() })
	})()
	r.begin()
	attempt := work
	for failures := 0; attempt == work || ctx.Err() == nil; failures++ {
		renew := renewal(r.dialer)
		transport, err := r.protocol.open(attempt, &r.cfg, r.dialer, r.log)
		attempt = ctx
		if err == nil {
			up := time.Now()
			before := r.cursor.At
			err = r.serve(ctx, work, transport, renew, failures)
			if r.cursor.At != before || time.Since(up) > maxDelay {
				failures = 0
			}
			if err == errFinished {
				r.down(nil)
				return nil
			}
		}
		if ctx.Err() != nil {
			break
		}
		r.down(err)
		if err == errRenewed {
			failures = -1
			continue
		}
		sleep(ctx, backoff(failures, rand.Float64()))
	}
	return nil
}

// begin finds out where to start, when the cursor does not say it.
func (r *Relay) begin() {
	switch id := r.journal.ID(); r.cursor.Journal {
	case id:
	case journal.ID{}:
		r.cursor.Journal, r.cursor.At = id, r.journal.Oldest()-1
	default:
		r.restart("the cursor belongs to another journal")
	}
}

// restart begins again with the oldest record kept.
func (r *Relay) restart(why string) {
	r.log.Error("sending starts again from the oldest record kept", "err", why)
	r.cursor = restarted(r.cursor, r.journal.ID(), r.journal.Oldest())
	r.balance()
	r.observer.Restart(why)
}

// restarted is c before the oldest line of journal id. What was waiting is read again.
func restarted(c journal.Cursor, id journal.ID, oldest auditbridge.Sequence) journal.Cursor {
	return journal.Cursor{Journal: id, At: oldest - 1, Delivered: c.Delivered, Excluded: c.Excluded, Read: c.Read - c.Waiting, Missed: c.Missed}
}

// balance has Stats tell the cursor's books.
func (r *Relay) balance() {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.counted = r.cursor
	r.counted.Open = nil
}

// count takes a cursor's books, and what is durable beyond it for pending.
func (s *Stats) count(c journal.Cursor, end auditbridge.Sequence) {
	ahead := uint64(max(end, c.At) - c.At)
	s.Delivered, s.Excluded, s.Missed = c.Delivered, c.Excluded, c.Missed
	s.Pending, s.Read = c.Waiting+ahead, c.Read+ahead
}

// without takes what is gone from the journal beyond c for missed: whoever cannot be
// reached does not get to where it was.
func (s *Stats) without(c journal.Cursor, oldest auditbridge.Sequence) {
	gone := min(c.Gone(oldest), s.Pending)
	s.Missed, s.Pending, s.Read = s.Missed+gone, s.Pending-gone, s.Read-gone
}

// up and down note a change of the link's state; the same trouble again is
// not news.
func (r *Relay) up(peer string, failures int) {
	session := r.session.Load()
	r.mu.Lock()
	r.stats.TLS = session
	r.log.Info("connected", "peer", peer, "tries", failures+1, "down", time.Since(r.stats.Since).Round(time.Second))
	r.stats.Connected, r.stats.Since, r.stats.LastError, r.stats.Hint = true, time.Now(), "", ""
	r.mu.Unlock()
	r.observer.Link(LinkChange{Up: true, Peer: peer, TLS: session})
}

func (r *Relay) down(err error) {
	why, hint := "", ""
	if err != nil {
		why = short(err.Error()) // the far end may speak in it, at any length
	}
	var hinter interface{ Hint() string }
	if errors.As(err, &hinter) {
		hint = hinter.Hint()
	}
	r.mu.Lock()
	news := r.stats.Connected || why != r.stats.LastError
	if r.stats.Connected {
		r.stats.Since = time.Now()
	}
	r.stats.Connected, r.stats.LastError, r.stats.Hint = false, why, hint
	r.mu.Unlock()
	if !news {
		return
	}
	if err != nil {
		r.log.Warn("not connected, trying again", "err", why, "hint", hint)
	}
	r.observer.Link(LinkChange{Peer: r.cfg.endpoint(), Why: err})
}

// Stats returns the balance sheet. It may be called from any goroutine.
func (r *Relay) Stats() Stats {
	r.mu.Lock()
	defer r.mu.Unlock()
	s := r.stats
	s.count(r.counted, r.journal.Durable())
	s.Classes, s.Pieces = r.census.classes(), r.census.inPieces()
	return s
}

// Name is the destination's.
func (r *Relay) Name() string { return r.cfg.Name }

func sleep(ctx context.Context, d time.Duration) {
	t := time.NewTimer(d)
	defer t.Stop()
	select {
	case <-t.C:
	case <-ctx.Done():
	}
}
