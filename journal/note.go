package journal

import (
	"os"
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

// selfNote is a note about ourselves: nobody's login uid and session stand
// behind it.
func selfNote(op string, fields ...auditbridge.Field) auditbridge.Note {
	return auditbridge.Note{
		Type:   auditbridge.TypeDaemonConfig,
		Op:     op,
		Actor:  auditbridge.Actor{AUID: auditbridge.Unset, UID: uint32(os.Geteuid()), Session: auditbridge.Unset, PID: os.Getpid()},
		Fields: fields,
	}
}

func number[N int | int64 | uint32 | uint64 | auditbridge.Sequence](key string, n N) auditbridge.Field {
	return auditbridge.Field{Key: key, Value: strconv.FormatInt(int64(n), 10)}
}

func text(key, value string) auditbridge.Field {
	return auditbridge.Field{Key: key, Value: value}
}

func moment(key string, t time.Time) auditbridge.Field {
	return auditbridge.Field{Key: key, Value: strconv.FormatFloat(float64(t.UnixMilli())/1000, 'f', 3, 64)}
}
