package ring

import "bytes"

// Sync is a sync of the journal's newest file that is under way, or has failed and
// nothing was done about it yet: up to a place in the file, and in the ring, all is
// durable, and what lies behind may look as if it were.
type Sync struct {
	Segment, Offset uint64 // the place in the file
	At              uint64 // sequence of the last line before it
	Place           Place  // in the ring
}

// Place is how far the ring was written to files: in bytes and in records.
type Place struct{ Bytes, Records uint64 }

// Place returns how far the ring was written.
func (r *Ring) Place() Place { return Place{r.done.tail, r.done.written} }

// Syncing says that a sync begins. If we die before Synced, who comes after takes
// back what it was for.
func (r *Ring) Syncing(s Sync) {
	turn := r.control.syncTurn.Load() + 1
	r.control.syncs[turn&1] = s
	r.control.syncTurn.Store(turn)
}

// Synced says that the sync has succeeded, or that what it was for is written
// elsewhere or given up.
func (r *Ring) Synced() { r.Syncing(Sync{}) }

// Unsynced returns, after Open, the sync under way when the process before died;
// Segment is 0 when there was none.
func (r *Ring) Unsynced() Sync { return r.control.syncs[r.control.syncTurn.Load()&1] }

// TakeBack makes what was written since p pending once more. It says whether it
// could: not when the producer may have written over some of it, or some was
// discarded. Nothing may have been published or taken since Open.
func (r *Ring) TakeBack(p Place) bool {
	n, records := r.done.tail-p.Bytes, r.done.written-p.Records
	if p.Bytes > r.done.tail || p.Records > r.done.written || r.made.head+overhang > p.Bytes+r.size {
		return false
	}
	found := uint64(0)
	for at := p.Bytes; at < r.done.tail; {
		i := at % r.size
		part := r.data[i:min(r.size, i+r.done.tail-at)]
		found += uint64(bytes.Count(part, []byte{'\n'}))
		at += uint64(len(part))
	}
	if found != records || n > 0 && r.data[(r.done.tail-1)%r.size] != '\n' {
		return false
	}
	r.done.intent = intent{}
	r.done.tail, r.done.written = p.Bytes, p.Records
	r.commitConsumption()
	r.written.Store(r.done.written)
	r.tail.Store(r.done.tail)
	return true
}
