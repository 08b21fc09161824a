package watch

import (
	"bytes"
	"crypto/rand"
	"encoding/hex"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

const (
	probeEvery   = time.Minute            // when all is well: each probe is a record
	probeAgain   = 5 * time.Second        // when one was lost
	probeTime    = 400 * time.Millisecond // within which it must be in the journal, or something before it
	probeTurns   = 3                      // and looks, for we may have been stopped with everybody else
	probeBusy    = busyTime               // the same where others hold run up
	clockGrain   = 100 * time.Millisecond // by how much the kernel's clock for records may be behind
	searchTime   = 200 * time.Millisecond
	lateEvery    = 10 * time.Second // how often it is looked for what a server has not got
	probeMessage = "op=probe app=auditbridge-watch nonce="
)

// probing sends a message through the kernel and looks for it in the journal: the
// only proof that the whole way works. The way keeps its order, so a message is lost
// when what was made after it comes out before it, or when nothing comes out.
type probing struct {
	probe   Probe
	doubted time.Time // when something happened that the next probe shall decide
	nonce   []byte
	from    auditbridge.Sequence // where in the journal it may be
	moved   time.Time            // when something came out last that the kernel made
	turns   int                  // looks in which nothing did since
}

// doubt has the next look send one.
func (p *probing) doubt(now time.Time) { p.doubted = now }

// waits says that one is on its way.
func (p *probing) waits() bool { return !p.probe.Sent.IsZero() && !p.probe.Arrived && !p.probe.Overdue }

// due says that a probe is to be sent: the last one is long ago, was lost, or was
// sent before something happened that it shall decide.
func (p *probing) due(now, since time.Time) bool {
	switch sent := p.probe.Sent; {
	case sent.IsZero(), sent.Before(since), sent.Before(p.doubted):
		return true
	case p.waits():
		return false
	case !p.probe.Arrived:
		return now.Sub(sent) >= probeAgain
	default:
		return now.Sub(sent) >= probeEvery
	}
}

// next is the message to send, which is looked for from the journal's end on.
func (p *probing) next(journalDir string) (message string, ok bool) {
	mark, err := journal.OpenMark(journalDir)
	if err != nil {
		return "", false
	}
	defer mark.Close()
	nonce := make([]byte, 12)
	rand.Read(nonce)
	p.nonce, p.from = []byte(hex.EncodeToString(nonce)), mark.Durable()+1
	return probeMessage + string(p.nonce), true
}

// sent begins to wait for it. One that replaces a lost one is overdue until it
// arrives: that it is tried again is no reason to believe anything.
func (p *probing) sent(at time.Time) {
	p.probe, p.moved, p.turns = Probe{Sent: at, Overdue: p.probe.Overdue && !p.probe.Arrived}, at, 0
}

// forget gives up on a message that nobody can have stored.
func (p *probing) forget() Probe {
	p.probe = Probe{}
	return p.probe
}

// look reads on in the journal until the message is found, and decides whether it
// is lost. Where others hold run up (busy) it may be slow.
func (p *probing) look(journalDir string, busy bool, now time.Time) Probe {
	if p.probe.Sent.IsZero() || p.probe.Arrived {
		return p.probe
	}
	s := p.search(journalDir)
	p.judge(s, busy, now)
	return p.probe
}

// sought is what a look into the journal found: the message; something made after
// it; anything that the kernel made.
type sought struct{ found, overtaken, read bool }

func (p *probing) judge(s sought, busy bool, now time.Time) {
	if p.turns++; s.read {
		p.moved, p.turns = now, 0
	}
	limit := probeTime
	if busy {
		limit = probeBusy
	}
	switch {
	case s.found:
		p.probe.Arrived, p.probe.Overdue = true, false
	case s.overtaken, now.Sub(p.moved) >= limit && p.turns >= probeTurns:
		p.probe.Overdue = true
	}
}

// search reads on. It looks past what is durable, for a slow disk loses nothing.
func (p *probing) search(journalDir string) (s sought) {
	r, err := journal.OpenReader(journalDir, p.from, journal.ReaderOptions{PastDurable: true})
	if err != nil {
		return s
	}
	defer r.Close()
	for end := time.Now().Add(searchTime); time.Now().Before(end); {
		for range 1000 {
			at, line, err := r.Next()
			if err != nil {
				return s
			}
			if bytes.Contains(line, p.nonce) {
				return sought{found: true}
			}
			if made, kernel := kernelTime(line); kernel {
				s.read = true
				s.overtaken = s.overtaken || made.After(p.probe.Sent.Add(clockGrain))
			}
			p.from = at + 1
		}
	}
	return s
}

// kernelTime is when the kernel began a record; those of daemons have another way.
func kernelTime(line []byte) (made time.Time, kernel bool) {
	h, ok := auditbridge.ParseHeader(line)
	if !ok || 1200 <= h.Type && h.Type <= 1299 {
		return time.Time{}, false
	}
	return time.Unix(h.ID.Seconds, int64(h.ID.Millis)*1e6), true
}

// lateLook finds the oldest record that a server has not got.
type lateLook struct {
	at   time.Time
	late []Late
}

// look reads each destination's cursor, and the line behind it, every few seconds.
func (l *lateLook) look(journalDir string, cursors map[string]string, now time.Time) []Late {
	if now.Sub(l.at) < lateEvery {
		return l.late
	}
	l.at, l.late = now, nil
	for name, file := range cursors {
		if oldest := oldestBehind(journalDir, file); !oldest.IsZero() {
			l.late = append(l.late, Late{name, oldest})
		}
	}
	return l.late
}

// oldestBehind is when the oldest line was written that the cursor in file has not
// passed; zero when there is none, or it cannot be told.
func oldestBehind(journalDir, file string) time.Time {
	c, known, err := journal.ReadCursor(file)
	if err != nil || !known {
		return time.Time{}
	}
	from := c.At + 1
	for _, open := range c.Open {
		from = min(from, open)
	}
	r, err := journal.OpenReader(journalDir, from, journal.ReaderOptions{})
	if err != nil {
		return time.Time{}
	}
	defer r.Close()
	if r.Mark().Journal() != c.Journal {
		return time.Time{}
	}
	_, line, err := r.Next()
	if err != nil {
		return time.Time{}
	}
	h, ok := auditbridge.ParseHeader(line)
	if !ok {
		return time.Time{}
	}
	return time.Unix(h.ID.Seconds, int64(h.ID.Millis)*1e6)
}
