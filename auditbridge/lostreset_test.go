package auditbridge

import (
	"testing"

	"golang.org/x/sys/unix"
)

// What the kernel recorded of a reset of its counter is understood, and nothing
// else is taken for one, whoever writes it.
func TestResetsOfTheCounterOfLostRecords(t *testing.T) {
	const at = "audit(1709742929.678:2340): "
	for _, row := range []struct {
		name     string
		kind     uint16
		text     string
		old      uint64
		auid, id uint32
	}{
		{"by somebody", 1305, at + "op=set lost=0 old=12 auid=1000 ses=3 subj=unconfined res=1", 12, 1000, 3},
		{"by a daemon", 1305, at + "op=set lost=0 old=4294967295 auid=4294967295 ses=4294967295 res=1", 4294967295, Unset, Unset},
		{"of nothing", 1305, at + "op=set lost=0 old=0 auid=0 ses=1 res=1", 0, 0, 1},
		{"another setting", 1305, at + "op=set audit_rate_limit=0 old=12 auid=1000 ses=3 res=1", 0, 0, 0},
		{"a user's message", 1112, at + "pid=1 uid=0 auid=1000 ses=3 msg='x op=set lost=0 old=12 auid=1000'", 0, 0, 0},
		{"a key of a rule", 1305, at + "auid=0 ses=3 op=add_rule key=\" op=set lost=0 old=12\" list=4 res=1", 0, 0, 0},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFeed(t, small)
			if err := unix.Send(f.send, netlinkMessage(row.kind, row.text), 0); err != nil {
				t.Fatal(err)
			}
			if _, err := f.drain(); err != nil {
				t.Fatal(err)
			}
			all := f.LostResets()
			if row.id == 0 {
				if len(all) != 0 {
					t.Errorf("taken for a reset: %+v", all)
				}
				return
			}
			want := LostReset{EventID{Seconds: 1709742929, Millis: 678, Serial: 2340}, row.old, Actor{AUID: row.auid, UID: Unset, Session: row.id}}
			if len(all) != 1 || all[0] != want || len(f.LostResets()) != 0 {
				t.Errorf("%+v, want %+v", all, want)
			}
		})
	}
}

// Somebody who resets it without end makes nothing grow.
func TestVeryManyResets(t *testing.T) {
	var b resetBook
	for range 10 * maxResets {
		b.saw([]byte("audit(1709742929.678:2340): op=set lost=0 old=2 auid=0 ses=1 res=1"))
	}
	all, sum := b.take(), uint64(0)
	for _, r := range all {
		sum += r.Old
	}
	if len(all) != maxResets || sum != 20*maxResets {
		t.Errorf("%d resets of %d records", len(all), sum)
	}
}
