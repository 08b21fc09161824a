package alarm

import (
	"slices"
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"
)

// Every alarm says what, why and what to do, in sentences, and has a severity
// that gets through.
func TestEveryAlarmIsExplained(t *testing.T) {
	seen := map[string]bool{}
	for _, k := range Kinds() {
		if seen[k.ID] {
			t.Errorf("%s stands twice", k.ID)
		}
		seen[k.ID] = true
		for _, text := range []string{k.Description, k.Remedy} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is no sentence", k.ID, text)
			}
		}
		if k.Title == "" || strings.HasSuffix(k.Title, ".") {
			t.Errorf("%s: title %q", k.ID, k.Title)
		}
		if !slices.Contains([]string{"emergency", "alert", "critical", "error", "warning"}, k.Severity) {
			t.Errorf("%s: severity %q", k.ID, k.Severity)
		}
		if Lookup(k.ID).ID != k.ID {
			t.Errorf("%s is not found", k.ID)
		}
	}
}

func TestWhatTheTableRefuses(t *testing.T) {
	for _, text := range []string{"id critical 0s", "id critical soon 0s", "id critical 0s soon", "    title: of nothing", "id critical 0s 0s\n    colour: red", "id critical 0s 0s\n    title: a\n    title: b"} {
		if _, err := Parse(text); err == nil {
			t.Errorf("taken: %q", text)
		}
	}
}

// at is a moment of the test's.
func at(seconds float64) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(seconds * float64(time.Second)))
}

// An alarm is raised once when its condition has held for as long as it must,
// and cleared once when it has been gone for as long, with the number it was
// raised by.
func TestAnAlarmIsRaisedAndClearedOnce(t *testing.T) {
	link := Condition{"link-down", "siem"} // 30 s, 5 s
	full := Condition{ID: "disk-full"}     // at once, 2 s
	var s Set
	var number int64
	for _, step := range []struct {
		at     float64
		holds  []Condition
		raised []Condition
		clear  []Condition
	}{
		{0, nil, nil, nil},
		{1, []Condition{link}, nil, nil},
		{20, nil, nil, nil}, // it flaps
		{21, []Condition{link}, nil, nil},
		{50, []Condition{link, full}, []Condition{full}, nil},
		{51, []Condition{link, full}, []Condition{link}, nil},
		{52, []Condition{link, full}, nil, nil},
		{53, []Condition{link}, nil, nil},
		{54, []Condition{link, full}, nil, nil}, // full again before it was cleared
		{55, []Condition{link}, nil, nil},
		{57, nil, nil, []Condition{full}},
		{61.9, nil, nil, nil},
		{62, nil, nil, []Condition{link}},
		{63, []Condition{full, {"no-such-alarm", ""}}, []Condition{full}, nil},
	} {
		var raised, cleared []Condition
		for _, c := range s.Update(at(step.at), step.holds) {
			if !c.Raised {
				cleared = append(cleared, c.Condition)
				continue
			}
			raised = append(raised, c.Condition)
			if c.Number <= number {
				t.Errorf("at %v: number %d after %d", step.at, c.Number, number)
			}
			number = c.Number
		}
		if !slices.Equal(raised, step.raised) || !slices.Equal(cleared, step.clear) {
			t.Errorf("at %v: raised %v, cleared %v; want %v, %v", step.at, raised, cleared, step.raised, step.clear)
		}
	}
}

// What a process before raised is cleared when it does not hold any more, and
// not raised again when it does.
func TestAlarmsOutliveAProcess(t *testing.T) {
	before := []Active{{Condition{"disk-full", ""}, 1_800_000_000_000, at(0)}, {Condition{"space-left", ""}, 7, at(1)}}
	var s Set
	s.Resume(before)
	if c := s.Update(at(100), []Condition{{"disk-full", ""}}); len(c) != 0 {
		t.Errorf("at once: %v", c)
	}
	c := s.Update(at(111), []Condition{{"disk-full", ""}, {"disk-error", ""}})
	if len(c) != 2 || c[0].ID != "disk-error" || !c[0].Raised || c[0].Number != 1_800_000_000_001 || c[1].Active != before[1] || c[1].Raised {
		t.Errorf("later: %v", c)
	}
	if got := s.Active(); len(got) != 2 || got[0] != before[0] {
		t.Errorf("active: %v", got)
	}
}

// Whatever holds when: raised and cleared take turns for each, no number comes
// twice, and what is active is what was raised and not cleared.
func TestRaisedAndClearedTakeTurns(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		var s Set
		up, numbers := map[Condition]bool{}, map[int64]bool{}
		now := at(0)
		for range rapid.IntRange(1, 60).Draw(t, "steps") {
			now = now.Add(time.Duration(rapid.IntRange(0, 20_000).Draw(t, "ms")) * time.Millisecond)
			var holds []Condition
			for _, c := range []Condition{{"disk-full", ""}, {"link-down", "a"}, {"link-down", "b"}, {"space-left", ""}} {
				if rapid.Bool().Draw(t, c.ID+c.Object) {
					holds = append(holds, c)
				}
			}
			for _, c := range s.Update(now, holds) {
				if up[c.Condition] == c.Raised {
					t.Fatalf("%+v twice", c)
				}
				if up[c.Condition] = c.Raised; c.Raised && numbers[c.Number] {
					t.Fatalf("number %d twice", c.Number)
				}
				numbers[c.Number] = true
			}
			for _, a := range s.Active() {
				if !up[a.Condition] {
					t.Fatalf("%+v is active", a)
				}
			}
		}
	})
}
