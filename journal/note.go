package journal

import (
	"strconv"
	"sync"
	"time"

	"auditbridge/auditbridge"
)

// maxNotes bounds the queue of notes while nothing can be written. What comes
// on top is counted, and the count put on record.
const maxNotes = 4096

// notes is the queue between whoever has something to say and the append loop.
type notes struct {
	mu      sync.Mutex
	queue   []auditbridge.Note
	dropped int
	bell    chan struct{} // capacity 1
}

func (q *notes) put(n auditbridge.Note) {
	q.mu.Lock()
	if len(q.queue) < maxNotes {
		q.queue = append(q.queue, n)
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
func (q *notes) take(dst []auditbridge.Note) (taken []auditbridge.Note, dropped int) {
	q.mu.Lock()
	defer q.mu.Unlock()
	dst = append(dst, q.queue...)
	clear(q.queue)
	q.queue = q.queue[:0]
	dropped, q.dropped = q.dropped, 0
	return dst, dropped
}

// Note queues one of our own records; it never blocks. Notes are written in
// their order, between the records that come in meanwhile.
func (j *Journal) Note(n auditbridge.Note) { j.notes.put(n) }

// configNote is a note about the journal itself.
func configNote(op string, fields ...auditbridge.Field) auditbridge.Note {
	return auditbridge.OwnNote(auditbridge.TypeDaemonConfig, op, fields...)
}

func moment(key string, t time.Time) auditbridge.Field {
	return auditbridge.Field{Key: key, Value: strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)}
}
