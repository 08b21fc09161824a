package auditbridge

import (
	"slices"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// TestHolesInTheSerials: a serial is missing when it has not come for a while,
// whatever else is odd about the order.
func TestHolesInTheSerials(t *testing.T) {
	upTo := func(first, last uint32) (all []uint32) {
		for s := first; s != last+1; s++ {
			all = append(all, s)
		}
		return all
	}
	for _, row := range []struct {
		name   string
		saw    []uint32
		later  []uint32 // seen after serialPatience, twice
		want   Holes    // by then
		atLast Holes    // at the end
		late   uint64   // of want
	}{
		{name: "nothing"},
		{name: "one after the other, records of one event too", saw: []uint32{7, 7, 8, 9, 9, 9, 10}},
		{name: "the first ones are not missing", saw: []uint32{1000, 1001}},
		{name: "events overtake each other", saw: []uint32{5, 9, 7, 6, 8, 10}},
		{name: "before the first that was seen", saw: []uint32{500, 400, 501}},
		{name: "one is missing", saw: []uint32{5, 7}, want: Holes{1, 6, 6}},
		{name: "some are missing", saw: []uint32{5, 6, 9, 12}, want: Holes{4, 7, 11}},
		{name: "it comes in time", saw: []uint32{5, 7, 6}},
		{name: "it comes too late, and is not said twice", saw: []uint32{5, 7}, later: []uint32{6, 8, 6, 6}, want: Holes{1, 6, 6}, late: 1},
		{name: "some of it comes too late", saw: []uint32{5, 9}, later: []uint32{8, 10, 7}, want: Holes{3, 6, 8}, late: 2},
		{name: "later than the window holds", saw: []uint32{5, 7}, later: append(upTo(8, 8+serialWindow), 6), want: Holes{1, 6, 6}},
		{name: "after the pause another hole", saw: []uint32{5, 7}, later: []uint32{9}, want: Holes{1, 6, 6}, atLast: Holes{1, 8, 8}},
		{name: "the numbers wrap", saw: []uint32{1<<32 - 2, 1<<32 - 1, 0, 1}},
		{name: "a hole where they wrap", saw: []uint32{1<<32 - 2, 2}, want: Holes{3, 1<<32 - 1, 1}},
		{name: "the kernel's numbers beyond those of our own records", saw: []uint32{FirstNoteSerial - 1, FirstNoteSerial, FirstNoteSerial + 2}, want: Holes{1, FirstNoteSerial + 1, FirstNoteSerial + 1}},
		{name: "more are missing than the window holds", saw: []uint32{10, 10 + 1e6}, want: Holes{1e6 - 1, 11, 10 + 1e6 - 1}},
		{name: "a hole leaves the window", saw: append([]uint32{1}, upTo(3, 3+serialWindow)...), want: Holes{1, 2, 2}},
		{name: "the kernel counts anew", saw: append([]uint32{5e6, 5e6 + 2}, upTo(1, 200)...), want: Holes{1, 5e6 + 1, 5e6 + 1}},
		{name: "one stray is not anew", saw: []uint32{5e6, 3, 5e6 + 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var s Serials
			now := time.Now()
			sum := s.Due(now)
			add := func(h Holes) {
				if h.Missing > 0 && sum.Missing == 0 {
					sum.First = h.First
				}
				if h.Missing > 0 {
					sum.Last = h.Last
				}
				sum.Missing += h.Missing
			}
			for _, serial := range row.saw {
				s.Saw(serial)
			}
			for range 3 {
				now = now.Add(serialPatience)
				add(s.Due(now))
			}
			for _, serial := range row.later {
				s.Saw(serial)
			}
			if sum != row.want {
				t.Errorf("missing %+v, want %+v", sum, row.want)
			}
			sum = Holes{}
			if add(s.End()); sum != row.atLast {
				t.Errorf("missing at the end %+v, want %+v", sum, row.atLast)
			}
			if s.Open() {
				t.Error("something may still come after the end")
			}
			if s.Late() != row.late {
				t.Errorf("%d came late, want %d", s.Late(), row.late)
			}
		})
	}
}

// TestAHoleIsSaidOnlyWhenItHasNotBeenFilled: not at once, and not later than
// two patiences.
func TestAHoleIsSaidOnlyWhenItHasNotBeenFilled(t *testing.T) {
	var s Serials
	now := time.Now()
	s.Due(now)
	s.Saw(1)
	s.Saw(3)
	for step := serialPatience / 4; step < serialPatience; step += serialPatience / 4 {
		if h := s.Due(now.Add(step)); h.Missing != 0 {
			t.Fatalf("said after %v: %+v", step, h)
		}
	}
	s.Due(now.Add(serialPatience))
	if !s.Open() {
		t.Error("nothing is waited for")
	}
	if h := s.Due(now.Add(2 * serialPatience)); h != (Holes{1, 2, 2}) {
		t.Errorf("after two patiences %+v", h)
	}
}

// TestSerialsAgreeWithASimpleModel: whatever comes, late by less than the window,
// lost in runs of any length, asked at any time: at the end exactly what never
// came is missing, and each is said once.
func TestSerialsAgreeWithASimpleModel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Serials
		now := time.Unix(0, 0)
		s.Due(now)
		first := rapid.Uint32().Draw(t, "first")
		s.Saw(first)
		newest, missing, found := first, map[uint32]bool{}, map[uint32]bool{}
		said := uint64(0)
		hear := func(h Holes) {
			said += h.Missing
			if h.Missing > 0 && (!missing[h.First] || !missing[h.Last]) {
				t.Fatalf("said to be missing, from %d to %d: those came", h.First, h.Last)
			}
		}
		t.Repeat(map[string]func(*rapid.T){
			"next": func(t *rapid.T) {
				for range rapid.IntRange(1, 200).Draw(t, "n") {
					newest++
					s.Saw(newest)
				}
			},
			"lose": func(t *rapid.T) {
				run := rapid.OneOf(rapid.IntRange(1, 100), rapid.IntRange(1, 3*serialWindow)).Draw(t, "n")
				for range run {
					newest++
					missing[newest] = true
				}
				newest++
				s.Saw(newest)
			},
			"again": func(t *rapid.T) {
				back := rapid.Uint32Range(0, serialWindow-1).Draw(t, "back")
				serial := newest - back
				if int32(serial-first) < 0 || missing[serial] {
					return
				}
				s.Saw(serial)
			},
			"late": func(t *rapid.T) {
				// Overtaken by others, but never by a whole window or a whole patience.
				n := rapid.Uint32Range(1, 300).Draw(t, "n")
				for i := range n {
					s.Saw(newest + n - i)
				}
				newest += n
			},
			"found": func(t *rapid.T) {
				// Given up for its time, and comes all the same.
				back := rapid.Uint32Range(0, serialWindow-1).Draw(t, "back")
				serial := newest - back
				if int32(serial-first) < 0 || !missing[serial] {
					return
				}
				for range 2 {
					now = now.Add(serialPatience)
					hear(s.Due(now))
				}
				before := s.Late()
				s.Saw(serial)
				if s.Late() != before+map[bool]uint64{false: 1}[found[serial]] {
					t.Fatalf("%d came late after %d, found before: %v", s.Late(), before, found[serial])
				}
				found[serial] = true
			},
			"hand over": func(t *rapid.T) {
				hear(s.Due(now))
				left := s.Seen()
				for serial := range missing { // an heir does not know what was given up
					found[serial] = found[serial] || !left.awaits(serial)
				}
				var heir Serials
				heir.Resume(left)
				s = heir
			},
			"time": func(t *rapid.T) {
				now = now.Add(time.Duration(rapid.IntRange(1, 5000).Draw(t, "ms")) * time.Millisecond)
				hear(s.Due(now))
			},
		})
		hear(s.End())
		if said != uint64(len(missing)) {
			t.Fatalf("%d are missing, %d were said to be", len(missing), said)
		}
	})
}

func TestSerialsAllocateNothing(t *testing.T) {
	var b serialBook
	b.expect(7, time.Now()) // so that the stamps are looked at, too
	text, serial := []byte("audit(1709742929.678:2340): op=x"), uint32(0)
	if n := testing.AllocsPerRun(1000, func() {
		b.saw(1300, text)
		serial += 7
		b.serials.Saw(serial)
		_ = b.unheard(time.Time{})
	}); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

func (s Seen) awaits(serial uint32) bool {
	return slices.ContainsFunc(s.Awaits, func(row [2]uint32) bool { return serial-row[0] <= row[1]-row[0] })
}
