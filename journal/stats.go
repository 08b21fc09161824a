package journal

import (
	"errors"
	"syscall"
	"time"

	"auditbridge/auditbridge"
)

// Stats counts what this process has done with the journal. Records are what
// came through the ring and are stored; lines are those, our own and block lines.
type Stats struct {
	State        State
	Err          error                // why nothing is stored; nil in StateOK and StateSuspended
	Written      auditbridge.Sequence // last line in the file
	Durable      auditbridge.Sequence // last line that survives a power failure
	Lines        uint64
	Records      uint64
	Bytes        uint64
	Blocks       uint64
	Checkpoints  uint64
	Syncs        uint64
	Refused      uint64               // records given up because they could not be stored
	RefusedFirst uint32               // serials of the latest gap of refused records, the ring's included …
	RefusedLast  uint32               // … and the last of them; both 0 when there was none
	Lost         uint64               // records written and then lost to a failing disk
	Gaps         uint64               // notes on record that say that records are missing (auditbridge.Note.Gap)
	Quarantined  uint64               // bytes that the start copied to quarantine
	Damaged      uint64               // places where the start found what cannot have been written so: op=damage on record
	NotesDropped uint64               // our own records that found no place to wait
	Removed      uint64               // segments that somebody else took away while they were open
	LastSealed   auditbridge.Sequence // sequence of the last checkpoint
	SealedAt     time.Time
}

// trouble is why nothing is stored.
func (b *books) trouble() error {
	if why := b.err.Load(); why != nil {
		return *why
	}
	return nil
}

// Stats may be called from any goroutine.
func (j *Journal) Stats() Stats {
	refused := j.books.refusedSerials.Load()
	return Stats{
		State:        State(j.books.state.Load()),
		Err:          j.books.trouble(),
		Written:      j.mark.Written(),
		Durable:      j.mark.Durable(),
		Lines:        j.books.lines.Load(),
		Records:      j.books.records.Load() - j.books.lost.Load(),
		Bytes:        j.books.bytes.Load(),
		Blocks:       j.books.blocks.Load(),
		Checkpoints:  j.books.checkpoints.Load(),
		Syncs:        j.sync.syncs.Load(),
		Refused:      j.books.discarded.Load(),
		RefusedFirst: uint32(refused >> 32),
		RefusedLast:  uint32(refused),
		Lost:         j.books.lost.Load(),
		Gaps:         j.books.gaps.Load(),
		Quarantined:  j.books.quarantined.Load(),
		Damaged:      j.books.damaged.Load(),
		NotesDropped: j.books.notesDropped.Load(),
		Removed:      j.books.removed.Load(),
		LastSealed:   auditbridge.Sequence(j.books.sealed.Load()),
		SealedAt:     time.Unix(0, j.books.sealedAt.Load()),
	}
}

// progress is what a turn of the append loop publishes.
type progress struct {
	written auditbridge.Sequence
	refused uint64
	state   State
	at      time.Time
}

func (j *Journal) publish(now time.Time) {
	p := progress{written: j.at, refused: j.books.discarded.Load() + j.books.lost.Load(), state: j.trouble.state, at: now}
	err := j.mark.turn(p)
	if err != nil && !j.markLost {
		j.log.Error("readers in other processes see no more progress", "err", err)
	}
	j.markLost = err != nil
}

// errorWord is a plain word for an error, for a record: the errno's name.
func errorWord(err error) string {
	var no syscall.Errno
	if errors.As(err, &no) {
		return no.Error()
	}
	return "unknown"
}
