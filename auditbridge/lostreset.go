package auditbridge

import (
	"bytes"
	"strconv"
	"sync"
)

// LostReset is somebody's reset of the kernel's counter of lost records, as the
// kernel itself recorded it (kernel/audit.c, audit_receive_msg: AUDIT_STATUS_LOST).
type LostReset struct {
	ID    EventID
	Old   uint64 // what the counter stood at
	Actor Actor  // login uid and session; the kernel says no more in this record
}

const typeConfigChange RecordType = 1305

// parseLostReset understands the text of a CONFIG_CHANGE record:
// "audit(…): op=set lost=0 old=12 auid=0 ses=3 res=1".
func parseLostReset(text []byte) (r LostReset, ok bool) {
	body, ok := r.ID.cutStamp(text)
	if !ok || !bytes.HasPrefix(body, []byte("op=set lost=0 old=")) {
		return r, false
	}
	fields := ScanFields(body)
	number := func(key string, otherwise uint64) uint64 {
		value, _ := fields.Lookup(key)
		if n, err := strconv.ParseUint(string(value), 10, 32); err == nil {
			return n
		}
		return otherwise
	}
	r.Old = number("old", 0)
	r.Actor = Actor{AUID: uint32(number("auid", Unset)), UID: Unset, Session: uint32(number("ses", Unset))}
	return r, true
}

// resetBook keeps resets until somebody asks. Of very many it keeps the sum.
type resetBook struct {
	mu  sync.Mutex
	all []LostReset
}

const maxResets = 64

func (b *resetBook) saw(text []byte) {
	r, ok := parseLostReset(text)
	if !ok {
		return
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if n := len(b.all); n == maxResets {
		r.Old += b.all[n-1].Old
		b.all = b.all[:n-1]
	}
	b.all = append(b.all, r)
}

func (b *resetBook) take() []LostReset {
	b.mu.Lock()
	defer b.mu.Unlock()
	all := b.all
	b.all = nil
	return all
}

// LostResets are the resets of the kernel's counter of lost records of which a
// record came since the last call. Any goroutine may call it.
func (r *receiver) LostResets() []LostReset { return r.resets.take() }
