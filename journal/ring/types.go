package ring

import (
	"maps"
	"sync"
)

// Types counts records by their type, as the kernel numbers them; 0 is for what has
// none.
type Types map[uint16]uint64

// refusedTypes is of which types the refused records are. It is of this process
// alone: of what a process before refused only the number is known.
type refusedTypes struct {
	said Types // by OfType, not yet by Refuse; the producer's

	mu     sync.Mutex // held while Refuse counts, so that what RefusedTypes says is of what Refused says
	untold Types
	all    Types // since Open
}

func (t *refusedTypes) add(more Types) {
	if t.all == nil {
		t.untold, t.all = Types{}, Types{}
	}
	for kind, n := range more {
		t.untold[kind] += n
		t.all[kind] += n
	}
}

// OfType says that one of the records that the next Refuse counts is of that type.
func (r *Ring) OfType(kind uint16) {
	if r.types.said == nil {
		r.types.said = Types{}
	}
	r.types.said[kind]++
}

// DiscardTypes says of which types the records are that Discard gives up.
func (r *Ring) DiscardTypes(types Types) {
	r.types.mu.Lock()
	defer r.types.mu.Unlock()
	r.types.add(types)
}

// RefusedTypes is Refused, and of which types the records are as far as that is
// known.
func (r *Ring) RefusedTypes() (n int, firstSerial, lastSerial uint32, types Types) {
	r.types.mu.Lock()
	defer r.types.mu.Unlock()
	n, firstSerial, lastSerial = r.Refused()
	return n, firstSerial, lastSerial, maps.Clone(r.types.untold)
}

// TypesTold says that a note tells of records of these types.
func (r *Ring) TypesTold(types Types) {
	r.types.mu.Lock()
	defer r.types.mu.Unlock()
	for kind, n := range types {
		if r.types.untold[kind] -= n; r.types.untold[kind] == 0 {
			delete(r.types.untold, kind)
		}
	}
}

// AllRefusedTypes is of which types all are that this process refused or discarded.
// Anyone may call it.
func (r *Ring) AllRefusedTypes() Types {
	r.types.mu.Lock()
	defer r.types.mu.Unlock()
	return maps.Clone(r.types.all)
}
