package accounts

import (
	"context"
	"log/slog"
	"time"

	"auditbridge/auditbridge"
)

// Recorder keeps the tables of this host's files on record in its journal: at
// start, on every change, and once in each segment that holds records, so that
// retention never leaves any without names. It reads two files and executes
// nothing.
type Recorder struct {
	journal Journal
	log     *slog.Logger
	machine string
	files   [2]recorded

	segment auditbridge.Sequence // in which the tables stand
	heard   uint64               // the journal's records then
}

// Journal is where the tables go.
type Journal interface {
	Note(auditbridge.Note)
	// Books are the first sequence of the open segment, and how many records
	// there have been.
	Books() (segment auditbridge.Sequence, records uint64)
}

// recorded is a file and what of it is on record.
type recorded struct {
	file
	was *Table // nil: nothing
	why string // it cannot be read; "" when it can
}

// NewRecorder starts nothing, and reads no accounts yet.
func NewRecorder(c Config, j Journal, log *slog.Logger) *Recorder {
	c.setDefaults()
	return &Recorder{
		journal: j, log: log, machine: machine(c.Machine),
		files: [2]recorded{{file: file{path: c.Passwd, of: passwd}}, {file: file{path: c.Group, of: group}}},
	}
}

// Run looks at the files every second until ctx ends.
func (r *Recorder) Run(ctx context.Context) error {
	tick := time.NewTicker(lookInterval)
	defer tick.Stop()
	for r.look(time.Now()); ; r.look(time.Now()) {
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// look puts on record what is not yet. A segment in which nothing was recorded
// but our own notes has no ids to name: an idle host's log does not grow.
func (r *Recorder) look(now time.Time) {
	segment, heard := r.journal.Books()
	again := segment != r.segment && heard != r.heard
	for i := range r.files {
		r.lookAt(&r.files[i], again, now)
	}
	if again || r.segment == 0 {
		r.segment, r.heard = segment, heard
	}
}

func (r *Recorder) lookAt(f *recorded, again bool, now time.Time) {
	if _, err := f.look(now); err != nil {
		r.unreadable(f, err)
	} else if f.why != "" {
		f.why, again = "", true
	}
	if f.table == nil {
		return
	}
	if f.was != nil && f.was != f.table {
		r.record(changeNotes(f.of, r.machine, f.was, f.table))
	}
	if f.was == nil || again {
		r.record(tableNotes(f.of, r.machine, f.table))
	}
	f.was = f.table
}

func (r *Recorder) record(notes []auditbridge.Note) {
	for _, n := range notes {
		r.journal.Note(n)
	}
}

// unreadable says once why the table on record may not be in force any more.
func (r *Recorder) unreadable(f *recorded, err error) {
	if f.why == err.Error() {
		return
	}
	f.why = err.Error()
	r.log.Warn("a table of accounts cannot be read; the one on record may be out of date", "file", f.path, "err", err)
	n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "accounts", auditbridge.Text("table", f.of.name), auditbridge.Text("why", f.why))
	n.Failed = true
	r.journal.Note(n)
}
