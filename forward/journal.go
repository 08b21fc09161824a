package forward

import (
	"context"
	"fmt"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// Source is a reader of a journal: *journal.Reader. Next's line is good until
// the call after it, and io.EOF says that the durable mark is reached.
type Source interface {
	Next() (auditbridge.Sequence, []byte, error)
	Wait(ctx context.Context) error
	Close() error
}

// Journal is what a relay needs of the journal. Its methods may be called from
// several goroutines.
type Journal interface {
	ID() journal.ID
	Durable() auditbridge.Sequence
	Written() auditbridge.Sequence                  // what is beyond Durable will be so presently
	Oldest() auditbridge.Sequence                   // the first that is kept
	Open(from auditbridge.Sequence) (Source, error) // from the first that is kept, when that one is not
}

// journalDir is a journal in a directory, read only.
type journalDir struct {
	dir  string
	mark *journal.Mark
}

// openJournal opens the journal in dir. It works while another process writes.
func openJournal(dir string) (*journalDir, error) {
	mark, err := journal.OpenMark(dir)
	if err != nil {
		return nil, fmt.Errorf("open the journal to send from: %w", err)
	}
	return &journalDir{dir, mark}, nil
}

func (j *journalDir) ID() journal.ID                { return j.mark.Journal() }
func (j *journalDir) Durable() auditbridge.Sequence { return j.mark.Durable() }
func (j *journalDir) Written() auditbridge.Sequence { return j.mark.Written() }
func (j *journalDir) Oldest() auditbridge.Sequence {
	first, err := journal.Oldest(j.dir)
	if err != nil {
		return 1 // opening it says so
	}
	return first
}

func (j *journalDir) Close() error { return j.mark.Close() }

func (j *journalDir) Open(from auditbridge.Sequence) (Source, error) {
	r, err := journal.OpenReader(j.dir, from, journal.ReaderOptions{})
	if err != nil {
		return nil, err // not a nil *Reader in a Source
	}
	return r, nil
}
