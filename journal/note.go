package journal

import (
	"context"
	"fmt"
	"sync"
	"time"

	"auditbridge/auditbridge"
)

// maxNotes bounds the queue of notes while nothing can be written. What comes
// on top is counted, and the count put on record.
const maxNotes = 4096

// notes is the queue between whoever has something to say and the append loop.
type notes struct {
	mu       sync.Mutex
	queue    []noted
	dropped  int
	farewell *noted
	bell     chan struct{} // capacity 1
}

// noted is a note and when it was made: the time of the fact, however late it
// can be written.
type noted struct {
	auditbridge.Note
	at time.Time
}

func (q *notes) put(n auditbridge.Note) {
	q.mu.Lock()
	if len(q.queue) < maxNotes {
		q.queue = append(q.queue, noted{n, time.Now()})
	} else {
		q.dropped++
	}
	q.mu.Unlock()
	select {
	case q.bell <- struct{}{}:
	default:
	}
}

// take empties the queue into dst and returns how many did not fit into it.
func (q *notes) take(dst []noted) (taken []noted, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dst = append(dst, q.queue...)
	clear(q.queue)
	q.queue = q.queue[:0]
	dropped, q.dropped = q.dropped, 0
	return dst, dropped
}

// Note queues one of our own records; it never blocks. Notes are written in
// their order, between the records that come in meanwhile, with the time of
// this call.
func (j *Journal) Note(n auditbridge.Note) { j.notes.put(n) }

// Record puts one of our own records into the journal and returns when it is
// durable. It works while Run does.
func (j *Journal) Record(ctx context.Context, n auditbridge.Note) error {
	err := j.inLoop(ctx, func(now time.Time) error {
		return j.atOnce(now, func(now time.Time) error { return j.appendNote(&n, now) })
	})
	if err != nil {
		return fmt.Errorf("put %s on record: %w", n.Op, err)
	}
	return nil
}

// Farewell gives the note with which Run ends: the last but for the checkpoint,
// behind all that the ring held. Of several the last counts. It never blocks.
func (j *Journal) Farewell(n auditbridge.Note) {
	j.notes.mu.Lock()
	defer j.notes.mu.Unlock()
	j.notes.farewell = &noted{n, time.Now()}
}

// takeLeave writes the farewell, if there is one.
func (j *Journal) takeLeave(now time.Time) error {
	j.notes.mu.Lock()
	n := j.notes.farewell
	j.notes.farewell = nil
	j.notes.mu.Unlock()
	if n == nil {
		return nil
	}
	return j.appendNoted(n, now)
}

// configNote is a note about the journal itself.
func configNote(op string, fields ...auditbridge.Field) auditbridge.Note {
	return auditbridge.OwnNote(auditbridge.TypeDaemonConfig, op, fields...)
}
