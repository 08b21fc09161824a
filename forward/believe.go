package forward

import (
	"errors"
	"fmt"
	"slices"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/tlslink"
	"auditbridge/internal/allowance"
	"auditbridge/internal/terminal"
	"auditbridge/journal"
)

// What run makes of ship's reports. ship is the part that speaks with
// strangers; should it fall to one of them, it can still do no more than send
// again, or claim that what is durable was delivered.

// follow does what a report says, if it may be said. Only work's goroutine calls
// it.
func (c *crew) follow(r report) error {
	book := c.served()[r.Relay]
	if book == nil {
		return fmt.Errorf("there is no destination %q", short(r.Relay))
	}
	if !r.Gone {
		defer c.keep(r.Relay, book, false)
	}
	switch {
	case r.Cursor != nil:
		return c.move(book, *r.Cursor)
	case r.Restart != nil:
		return c.restart(r.Relay, book, *r.Restart)
	case r.Link != nil:
		c.noteLink(r.Relay, book, *r.Link)
	case r.Stats != nil:
		return c.tell(r.Relay, book, *r.Stats)
	case r.Warning != "":
		c.note(&book.notes, auditbridge.OwnNote(auditbridge.TypeDaemonErr, "link-warning", auditbridge.Text("relay", short(r.Relay)), auditbridge.Text("reason", short(r.Warning))))
	case r.Gone:
		c.keep(r.Relay, book, true)
		return c.gone(r.Relay)
	default:
		return errors.New("it says nothing")
	}
	return nil
}

// move takes over a cursor.
func (s *Shipper) move(book *relayBook, w wireCursor) error {
	c, err := w.cursor()
	if err != nil {
		return err
	}
	if err := s.checkMove(book.latest, c); err != nil {
		return fmt.Errorf("cursor from %d to %d: %w", book.latest.At, c.At, err)
	}
	book.believe(c)
	return nil
}

// checkMove holds a cursor to what a relay can have done: only forward, and
// never past what is durable, nor more records counted than there were.
func (s *Shipper) checkMove(old, c journal.Cursor) error {
	if err := s.checkPlace(old, c); err != nil {
		return err
	}
	if old.Journal != s.cfg.Journal {
		return errors.New("a restart comes first: the place until now is in another journal")
	}
	if c.At < old.At || firstOpen(c) < firstOpen(old) {
		return errors.New("it goes back")
	}
	possible := uint64(c.At - (firstOpen(old) - 1))
	var counted uint64 // cannot overflow: each part is checked first
	for _, n := range [...]struct{ old, new uint64 }{{old.Delivered, c.Delivered}, {old.Excluded, c.Excluded}} {
		if n.new < n.old {
			return errors.New("its counts go back")
		}
		if counted += min(n.new-n.old, possible+1); counted > possible {
			return fmt.Errorf("%d records counted where at most %d lie", n.new-n.old, possible)
		}
	}
	if c.Waiting > uint64(c.At) || c.Missed > old.Missed+possible || c.Read > old.Read+possible {
		return fmt.Errorf("%d waiting, %d missed and %d read where at most %d lie", c.Waiting, c.Missed, c.Read, possible)
	}
	return nil
}

// checkPlace holds wherever a cursor was before.
func (s *Shipper) checkPlace(old, c journal.Cursor) error {
	if c.Journal != s.cfg.Journal {
		return fmt.Errorf("it belongs to another journal, %s", c.Journal)
	}
	if end := s.cfg.Durable(); c.At > end && c.At > old.At {
		return fmt.Errorf("only %d is durable", end)
	}
	if len(c.Open) > journal.MaxOpen {
		return fmt.Errorf("%d open events are more than %d", len(c.Open), journal.MaxOpen)
	}
	for i, open := range c.Open {
		if open < 1 || open > c.At || i > 0 && open <= c.Open[i-1] {
			return fmt.Errorf("open event at %d", open)
		}
	}
	return nil
}

// firstOpen is where a relay starts again: the smallest open event, else what
// follows the cursor.
func firstOpen(c journal.Cursor) auditbridge.Sequence {
	if len(c.Open) > 0 {
		return c.Open[0]
	}
	return c.At + 1
}

// restart lets a cursor go back to the beginning, on record and not without
// end. Nothing is lost by it: records are sent again.
func (s *Shipper) restart(name string, book *relayBook, w wireRestart) error {
	old := book.latest
	oldest := s.cfg.Oldest()
	if old.Journal == s.cfg.Journal && old.At < oldest {
		return errors.New("restart: it is at the beginning")
	}
	if _, ok := book.restarts.Take(time.Now()); !ok {
		return errors.New("restart: there were too many")
	}
	book.believe(restarted(old, s.cfg.Journal, oldest))
	s.cfg.Note(auditbridge.OwnFailure("cursor-reset",
		auditbridge.Text("relay", short(name)), auditbridge.Number("at", old.At), auditbridge.Text("reason", short(w.Why))))
	return nil
}

// tell keeps what ship says of a link for status. The counts there are run's
// own, and the cursor's.
func (s *Shipper) tell(name string, book *relayBook, n Stats) error {
	end := s.cfg.Durable()
	possible := uint64(end) + markSlack
	if n.Pending > possible || n.Delivered > possible+book.latest.Delivered || n.Excluded > possible+book.latest.Excluded {
		return fmt.Errorf("a balance sheet beyond the journal's %d records", end)
	}
	n.LastError, n.Hint = short(n.LastError), shortHint(n.Hint)
	n.TLS = believable(n.TLS)
	for class := range n.Classes {
		if _, ok := auditbridge.ParseClass(class); !ok {
			return fmt.Errorf("events of a class %q", short(class))
		}
	}
	for why := range n.Pieces {
		if !slices.ContainsFunc(piecemeal[:], func(r auditbridge.EndReason) bool { return r.String() == why }) {
			return fmt.Errorf("events in pieces for %q", short(why))
		}
	}
	s.recognize(name, book, &n)
	s.mu.Lock()
	before := book.stats.Pieces
	book.stats = n
	s.mu.Unlock()
	s.noteCut(name, book, before, n.Pieces)
	return nil
}

// noteCut puts on record that more events were open at once than may be: the oldest
// were sent as far as they had come. Nothing of them is lost.
func (s *Shipper) noteCut(name string, book *relayBook, before, now map[string]uint64) {
	limit := auditbridge.EndLimit.String()
	cut, told := now[limit], before[limit]
	if cut < told {
		told = 0 // another ship, which counts anew
	}
	if cut > told {
		s.note(&book.notes, auditbridge.OwnFailure("events-cut", auditbridge.Text("relay", short(name)), auditbridge.Number("n", cut-told)))
	}
}

// markSlack is by how much pending may exceed what is durable here: the
// mark was read at another moment there.
const markSlack = 1 << 20

// noteLink puts a change of a link on record, but not without end.
func (s *Shipper) noteLink(name string, book *relayBook, l wireLink) {
	s.note(&book.notes, linkChanged("relay", name, l))
}

// linkChanged is the record of a change of the link that a relay has, or an entrance.
func linkChanged(of, name string, l wireLink) auditbridge.Note {
	op, recordType := "link-down", auditbridge.TypeDaemonErr
	if l.Up {
		op, recordType = "link-up", auditbridge.TypeDaemonResume
	}
	n := auditbridge.OwnNote(recordType, op, auditbridge.Text(of, short(name)), auditbridge.Text("peer", short(l.Peer)))
	n.Failed = !l.Up && l.Why != "" && !l.Meant
	if l.Why != "" {
		n.Fields = append(n.Fields, auditbridge.Text("reason", short(l.Why)))
	}
	n.Fields = append(n.Fields, l.security()...)
	return n
}

// security is what TLS agreed on, and with whom; or what is wrong, and of which
// certificate.
func (l *wireLink) security() (fields []auditbridge.Field) {
	add := func(key, value string) {
		if value != "" {
			fields = append(fields, auditbridge.Text(key, short(value)))
		}
	}
	certificate := l.Certificate
	if l.TLS != nil && l.Up {
		add("tls", l.TLS.Version)
		add("cipher", l.TLS.Cipher)
		add("unchecked", l.TLS.Unchecked)
		if l.TLS.Own != nil {
			add("own", l.TLS.Own.String())
		}
		certificate = l.TLS.Server
	}
	add("fault", l.Fault)
	add("presented", l.Presented)
	add("reference", l.Reference)
	if certificate != nil {
		add("subject", certificate.Subject)
		add("issuer", certificate.Issuer)
		add("serial", certificate.Serial)
	}
	return fields
}

// note puts n on record, if a allows it: a link that flaps, or a ship that lies, must
// not fill the journal.
func (s *Shipper) note(a *allowance.Allowance, n auditbridge.Note) { noteWithin(a, n, s.cfg.Note) }

func noteWithin(a *allowance.Allowance, n auditbridge.Note, put func(auditbridge.Note)) {
	suppressed, ok := a.Take(time.Now())
	if !ok {
		return
	}
	if suppressed > 0 {
		n.Fields = append(n.Fields, auditbridge.Number("unrecorded", suppressed))
	}
	put(n)
}

// short makes foreign text safe and bounded; a hint may hold a public key.
func short(text string) string     { return bounded(text, 300) }
func shortHint(text string) string { return bounded(text, 2000) }

func bounded(text string, limit int) string {
	if len(text) > limit {
		text = text[:limit] + "…"
	}
	return terminal.Safe(text)
}

// believable is a session as ship tells it, its text made safe once more.
func believable(s *tlslink.Session) *tlslink.Session {
	if s == nil {
		return nil
	}
	safe := tlslink.Session{Version: short(s.Version), Cipher: short(s.Cipher), Unchecked: short(s.Unchecked), Reason: short(s.Reason)}
	for _, id := range []struct{ from, to **tlslink.ID }{{&s.Server, &safe.Server}, {&s.Own, &safe.Own}, {&s.Expiring, &safe.Expiring}} {
		if *id.from != nil {
			*id.to = &tlslink.ID{Subject: short((*id.from).Subject), Issuer: short((*id.from).Issuer), Serial: short((*id.from).Serial), NotAfter: (*id.from).NotAfter}
		}
	}
	return &safe
}
