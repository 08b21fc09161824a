package forward

import (
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/allowance"
	"auditbridge/journal"
)

// keepEvery is how often one cursor is made durable at most: a ship that
// reports without end must not keep the disk busy.
const keepEvery = time.Second

// relayBook is what run knows of one destination.
type relayBook struct {
	// its crew's goroutine's
	path     string
	file     *journal.CursorFile // nil after an error: to be opened anew
	latest   journal.Cursor      // believed last
	unkept   bool                // latest is not in the file
	tried    time.Time           // to keep it
	notes    allowance.Allowance
	restarts allowance.Allowance

	with        string      // Config.with of the server that is spoken to
	session     lastSession // as it is kept
	sessionKept time.Time

	// Shipper.mu's
	cursor  journal.Cursor // in the file; its Open is never written to
	known   bool           // something is
	trouble string         // why latest cannot be kept
	stats   Stats          // as ship told them last
}

// openBook takes up a destination's cursor. It is no one's yet.
func openBook(path string) (*relayBook, error) {
	file, err := journal.OpenCursor(path)
	if err != nil {
		return nil, err
	}
	book := &relayBook{path: path, file: file}
	if c, ok := file.Load(); ok {
		c.Open = append([]auditbridge.Sequence(nil), c.Open...) // the file reuses it
		book.cursor, book.latest, book.known = c, c, true
	}
	book.stats.LastError = "not connected yet"
	return book, nil
}

func (b *relayBook) believe(c journal.Cursor) { b.latest, b.unkept = c, true }

// store puts the cursor believed last into the file.
func (b *relayBook) store() (err error) {
	if b.file == nil {
		if b.file, err = journal.OpenCursor(b.path); err != nil {
			return err
		}
	}
	if err := b.file.Store(b.latest); err != nil {
		b.file.Close()
		b.file = nil
		return err
	}
	b.unkept = false
	return nil
}

func (b *relayBook) close() error {
	if b.file == nil {
		return nil
	}
	return b.file.Close()
}

// keep makes the cursor believed last durable, at once or when it is due. A file
// that cannot be written costs no record: the cursor that is in it stands, what
// lies between is sent again should we die, and it is tried again. The lock is
// not held over the fsync, for a checkpoint may be waiting to ask for the
// cursors.
func (s *Shipper) keep(name string, book *relayBook, atOnce bool) {
	now := time.Now()
	if !book.unkept || !atOnce && now.Sub(book.tried) < keepEvery {
		return
	}
	book.tried = now
	err := book.store()
	trouble := ""
	if err != nil {
		trouble = "its place is not kept: " + short(err.Error())
	}
	s.mu.Lock()
	before := book.trouble
	book.trouble = trouble
	if err == nil {
		book.cursor, book.known = book.latest, true
	}
	s.mu.Unlock()
	switch {
	case err != nil && before == "":
		s.cfg.Log.Error("a destination's place cannot be kept; it is tried again", "dest", name, "err", err)
		s.note(&book.notes, auditbridge.OwnFailure("cursor-unkept", auditbridge.Text("relay", short(name)), auditbridge.Text("reason", short(err.Error()))))
	case err == nil && before != "":
		s.cfg.Log.Info("a destination's place is kept again", "dest", name)
		s.note(&book.notes, auditbridge.OwnNote(auditbridge.TypeDaemonResume, "cursor-kept", auditbridge.Text("relay", short(name))))
	}
}

// settle decides where a destination begins that never did, once: what comes
// after this moment is sent, whenever ship comes to it.
func (s *Shipper) settle(to Config, book *relayBook) {
	if book.known {
		return
	}
	c := journal.Cursor{Journal: s.cfg.Journal, At: s.cfg.Oldest() - 1}
	if to.Start == StartNow {
		c.At = s.cfg.Durable()
	}
	book.believe(c)
	s.keep(to.Name, book, true)
}
