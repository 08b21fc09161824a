package journal

import "auditbridge/auditbridge"

// unsynced remembers what lies between the durable mark and the last line
// written, so that it can be written once more elsewhere when a sync fails:
// lines from the ring by their length (the ring keeps the bytes), our own notes
// whole. Block lines are not kept: what is written anew is sealed anew.
type unsynced struct {
	runs []run
	head int // runs before it are durable
}

// run is a stretch of the journal: so many bytes and records from the ring, or
// one note.
type run struct {
	last    auditbridge.Sequence
	bytes   int
	records int
	note    []byte
}

// add appends a run and forgets those up to the durable sequence.
func (u *unsynced) add(r run, durable auditbridge.Sequence) {
	u.forget(durable)
	if u.head > 64 && u.head > len(u.runs)/2 {
		n := copy(u.runs, u.runs[u.head:])
		clear(u.runs[n:])
		u.runs, u.head = u.runs[:n], 0
	}
	u.runs = append(u.runs, r)
}

func (u *unsynced) forget(durable auditbridge.Sequence) {
	for u.head < len(u.runs) && u.runs[u.head].last <= durable {
		u.head++
	}
	if u.head == len(u.runs) {
		clear(u.runs)
		u.runs, u.head = u.runs[:0], 0
	}
}

// take returns the runs beyond the durable sequence, with how many bytes of
// them are the ring's, and forgets them.
func (u *unsynced) take(durable auditbridge.Sequence) (runs []run, bytes, records int) {
	u.forget(durable)
	runs = append(runs, u.runs[u.head:]...)
	clear(u.runs)
	u.runs, u.head = u.runs[:0], 0
	for _, r := range runs {
		bytes += r.bytes
		records += r.records
	}
	return runs, bytes, records
}
