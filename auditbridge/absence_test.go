package auditbridge

import (
	"fmt"
	"testing"
	"time"
)

// What passed while nobody heard is told apart from what passes us: by the serial that
// came last before, and by the stamp of what comes. What the kernel kept for us is not
// missing.
func TestWhatPassedWhileNobodyHeard(t *testing.T) {
	began := time.Unix(1000, 0)
	const kept, live = 999, 1001 // seconds: audited before we began, and since
	type came struct{ at, serial uint32 }
	for _, row := range []struct {
		name      string
		last      uint32
		came      []came
		away, new Holes
	}{
		{"nothing", 10, []came{{live, 11}, {live, 12}}, Holes{}, Holes{}},
		{"nothing, and nothing comes", 10, nil, Holes{}, Holes{}},
		{"some", 10, []came{{live, 15}, {live, 16}}, Holes{4, 11, 14}, Holes{}},
		{"some, and then we miss some", 10, []came{{live, 15}, {live, 19}}, Holes{4, 11, 14}, Holes{3, 16, 18}},
		{"the kernel kept all", 10, []came{{kept, 11}, {kept, 12}, {live, 13}}, Holes{}, Holes{}},
		{"and it comes behind what is new", 10, []came{{live, 13}, {kept, 11}, {live, 14}, {kept, 12}}, Holes{}, Holes{}},
		{"the kernel kept what its queue took", 10, []came{{kept, 11}, {kept, 12}, {live, 90}, {live, 92}}, Holes{77, 13, 89}, Holes{1, 91, 91}},
		{"what comes first came later", 10, []came{{live, 20}, {live, 18}, {live, 21}}, Holes{8, 11, 19}, Holes{}},
		{"a call took so long that it seems old", 10, []came{{kept, 22}, {live, 20}, {live, 21}, {live, 24}}, Holes{9, 11, 19}, Holes{1, 23, 23}},
		{"serials wrapped", 1<<32 - 3, []came{{live, 2}}, Holes{4, 1<<32 - 2, 1}, Holes{}},
		{"very many", 10, []came{{live, 3_000_010}}, Holes{2_999_999, 11, 3_000_009}, Holes{}},
		{"the clock was set back", 10, []came{{kept, 15}, {kept, 16}}, Holes{4, 11, 14}, Holes{}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var b serialBook
			b.expect(row.last, began)
			for _, c := range row.came {
				b.saw(typeConfigChange, fmt.Appendf(nil, "audit(%d.000:%d): op=x", c.at, c.serial))
			}
			b.end()
			if u := b.unheard(time.Unix(1001, 0)); u.Away != row.away || u.New != row.new || u.Missing != row.away.Missing+row.new.Missing || !u.Back.Equal(began) {
				t.Errorf("%+v, want away %+v, new %+v", u, row.away, row.new)
			}
		})
	}
}

// It is said once, when it has not come for a while, and taken back when it comes after
// all. Where the clock was set back it is over all the same.
func TestAnAbsenceIsReportedOnce(t *testing.T) {
	began := time.Unix(1000, 0)
	var b serialBook
	say := func(at int, text string) Unheard {
		t.Helper()
		if text != "" {
			b.saw(typeConfigChange, []byte(text))
		}
		return b.unheard(time.Unix(int64(at), 0))
	}
	b.expect(10, began)
	b.hears(began.Add(time.Second))
	if u := say(1100, ""); u.Missing != 0 {
		t.Errorf("nothing came, and missing is %+v", u)
	}
	if u := say(1101, "audit(990.000:13): op=x"); u.Missing != 0 { // the clock is back
		t.Errorf("at once: %+v", u)
	}
	if u := say(1104, "audit(991.000:16): op=x"); u.Missing != 0 {
		t.Errorf("soon: %+v", u)
	}
	if u := say(1107, ""); u.Away != (Holes{2, 11, 12}) || u.New != (Holes{2, 14, 15}) || u.Missing != 4 {
		t.Errorf("after a while: %+v", u)
	}
	if u := say(1110, "audit(992.000:11): op=x"); u.Away != (Holes{}) || u.New != (Holes{}) || u.Late != 1 || u.Missing != 4 {
		t.Errorf("one comes after all: %+v", u)
	}
}

// Who goes on in our place misses what we did not say yet.
func TestAnAbsenceIsHandedOn(t *testing.T) {
	for _, row := range []struct {
		name string
		came []string
		want Holes
	}{
		{"before anything came", nil, Holes{9, 11, 19}},
		{"before it was said", []string{"audit(1001.000:13): op=x", "audit(1001.000:15): op=x"}, Holes{7, 11, 19}},
	} {
		var b, heir serialBook
		b.expect(10, time.Unix(1000, 0))
		for _, text := range row.came {
			b.saw(typeConfigChange, []byte(text))
		}
		heir.resume(b.seen())
		heir.saw(typeConfigChange, []byte("audit(1002.000:20): op=x"))
		heir.end()
		if u := heir.unheard(time.Unix(1002, 0)); u.New != row.want || u.Away != (Holes{}) {
			t.Errorf("%s: %+v, want %+v", row.name, u, row.want)
		}
	}
}
