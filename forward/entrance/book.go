package entrance

import (
	"slices"
	"sync"
	"sync/atomic"
	"time"
)

// Stats is what an entrance knows of itself. Counts are since it began.
type Stats struct {
	Connected bool      `json:"connected"`       // the SSH connection is there
	Since     time.Time `json:"since,omitzero"`  // of Connected
	Peer      string    `json:"peer,omitempty"`  // the SSH server
	LastError string    `json:"error,omitempty"` // why it is not, or why the last guest could not be taken to the far end
	Hint      string    `json:"hint,omitempty"`  // what to do about that

	Open     int    `json:"open"`     // guests that are there
	Carried  uint64 `json:"carried"`  // that were let in
	Refused  uint64 `json:"refused"`  // that were not
	Cut      uint64 `json:"cut"`      // of those carried, whose end was not in order
	Sent     uint64 `json:"sent"`     // bytes to the far end
	Received uint64 `json:"received"` // bytes from it

	First *Who `json:"first,omitempty"` // who came last when nobody was there
}

// Refusal is a reason why guests were turned away.
type Refusal struct {
	Who   *Who   `json:"who,omitempty"` // the first of them; all have the same uid
	Why   string `json:"why"`
	Count uint64 `json:"n"`
}

// mostReasons is how many refusals are told apart between two looks.
const mostReasons = 8

// otherReasons stands for the rest.
const otherReasons = "more reasons than are told apart"

// book counts guests. Its methods may be called from several goroutines.
type book struct {
	sent, received atomic.Uint64

	mu       sync.Mutex
	stats    Stats
	refusals []Refusal
}

// Stats is a copy.
func (b *book) Stats() Stats {
	b.mu.Lock()
	defer b.mu.Unlock()
	s := b.stats
	s.Sent, s.Received = b.sent.Load(), b.received.Load()
	return s
}

// Refusals are those since the last call.
func (b *book) Refusals() []Refusal {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.refusals
	b.refusals = nil
	return all
}

// enter counts a guest in, unless so many are there.
func (b *book) enter(who *Who, most int) bool {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stats.Open >= most {
		return false
	}
	if b.stats.Open == 0 {
		b.stats.First = who
	}
	b.stats.Open++
	return true
}

// arrived says that a guest has come to the far end.
func (b *book) arrived() {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Carried++
	b.stats.LastError, b.stats.Hint = "", ""
}

// leave counts one out.
func (b *book) leave(inOrder bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Open--
	if !inOrder {
		b.stats.Cut++
	}
}

// refuse counts one that was turned away.
func (b *book) refuse(who *Who, why string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Refused++
	i := slices.IndexFunc(b.refusals, func(r Refusal) bool { return r.Why == why && sameUser(r.Who, who) })
	if i < 0 && len(b.refusals) >= mostReasons {
		who, why = nil, otherReasons
		i = slices.IndexFunc(b.refusals, func(r Refusal) bool { return r.Why == otherReasons })
	}
	if i < 0 {
		b.refusals = append(b.refusals, Refusal{Who: who, Why: why})
		i = len(b.refusals) - 1
	}
	b.refusals[i].Count++
}

func sameUser(a, b *Who) bool {
	return a == b || a != nil && b != nil && a.UID == b.UID
}

// up and down say what became of the SSH connection.
func (b *book) up(peer string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.Connected, b.stats.Since, b.stats.Peer, b.stats.LastError, b.stats.Hint = true, time.Now(), peer, "", ""
}

func (b *book) down(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stats.Connected || b.stats.Since.IsZero() {
		b.stats.Connected, b.stats.Since = false, time.Now()
	}
	b.stats.LastError, b.stats.Hint = words(err)
}

// failed says why a guest did not come to the far end.
func (b *book) failed(err error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.stats.LastError, b.stats.Hint = words(err)
}

// away is why there is no SSH connection; "" while there is, or nobody knows yet.
func (b *book) away() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	if b.stats.Connected {
		return ""
	}
	return b.stats.LastError
}

func words(err error) (text, hint string) {
	if h, ok := err.(interface{ Hint() string }); ok {
		hint = h.Hint()
	}
	return err.Error(), hint
}
