package watch

import (
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/alarm"
	"auditbridge/internal/status"

	"pgregory.net/rapid"
)

// Every finding says what is wrong, what the host does next and what to type, in
// sentences.
func TestEveryFindingIsExplained(t *testing.T) {
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
		if k.Severity != string(status.Impaired) && k.Severity != string(status.Degraded) {
			t.Errorf("%s: state %q", k.ID, k.Severity)
		}
	}
}

func at(ms int) time.Time {
	return time.Unix(1_700_000_000, 0).Add(time.Duration(ms) * time.Millisecond)
}

func codes(v Verdict) string {
	var all []string
	for _, r := range v.Raised {
		all = append(all, strings.TrimSuffix(r.Code+"/"+r.Object, "/"))
	}
	return strings.Join(all, " ")
}

func TestALevelDoesNotFlicker(t *testing.T) {
	gone, off, late := Finding{Code: "run-gone"}, Finding{Code: "kernel-off"}, Finding{Code: "link-down", Object: "siem"}
	l := NewLevel(at(0))
	for _, step := range []struct {
		ms    int
		found []Finding
		state status.State
		since int
		codes string
	}{
		{0, nil, status.OK, 0, ""},
		{1000, []Finding{gone}, status.OK, 0, ""},                                  // seen once
		{1300, nil, status.OK, 0, ""},                                              // it was nothing
		{2000, []Finding{gone}, status.OK, 0, ""},                                  //
		{2300, []Finding{gone, off}, status.Impaired, 2300, "run-gone"},            // seen twice
		{3300, []Finding{off}, status.Impaired, 2300, "run-gone kernel-off"},       // back, but not for long
		{4000, []Finding{gone, off}, status.Impaired, 2300, "run-gone kernel-off"}, // and gone again: one outage
		{5000, nil, status.Impaired, 2300, "run-gone kernel-off"},                  //
		{6900, nil, status.Impaired, 2300, "run-gone kernel-off"},                  //
		{7000, []Finding{late}, status.OK, 7000, ""},                               // 2 s without
		{36000, []Finding{late}, status.OK, 7000, ""},                              //
		{37000, []Finding{late}, status.Degraded, 37000, "link-down/siem"},         // 30 s
		{38000, []Finding{late, {Code: "disk-full"}}, status.Impaired, 38000, "disk-full link-down/siem"},
		{40000, []Finding{late}, status.Impaired, 38000, "disk-full link-down/siem"},
		{42000, []Finding{late}, status.Degraded, 42000, "link-down/siem"},
	} {
		v := l.Look(at(step.ms), step.found)
		if v.State != step.state || codes(v) != step.codes || !v.Since.Equal(at(step.since)) {
			t.Fatalf("at %d: %s since %v, %q; want %s since %v, %q", step.ms, v.State, v.Since, codes(v), step.state, at(step.since), step.codes)
		}
	}
}

// A finding that is raised names since when it holds, not since when it is known,
// and what was seen last.
func TestARaisedFindingSaysSinceWhen(t *testing.T) {
	l := NewLevel(at(0))
	l.Look(at(1000), []Finding{{Code: "link-down", Object: "siem", Detail: "refused"}})
	v := l.Look(at(31000), []Finding{{Code: "link-down", Object: "siem", Detail: "timeout"}})
	if len(v.Raised) != 1 || !v.Raised[0].Since.Equal(at(1000)) || v.Raised[0].Detail != "timeout" {
		t.Errorf("%+v", v)
	}
}

// Whatever is found in whatever order, at whatever times: nothing is raised that
// has not held for as long as its kind asks for, all that has is raised, nothing
// is cleared that has not been gone for as long, and the state is the worst of
// what is raised.
func TestAnyHistoryGivesTheRightLevel(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		l := NewLevel(at(0))
		ms, state, since := 0, status.OK, at(0)
		heldSince := map[string]int{} // of what holds
		goneSince := map[string]int{} // of what is raised and does not hold
		raised := map[string]bool{}
		for range rapid.IntRange(1, 60).Draw(t, "looks") {
			ms += rapid.SampledFrom([]int{300, 1000, 1000, 3000, 30000}).Draw(t, "pause")
			found := rapid.SliceOfNDistinct(rapid.SampledFrom(Kinds()), 0, 4, func(k alarm.Kind) string { return k.ID }).Draw(t, "found")
			var all []Finding
			for _, k := range found {
				all = append(all, Finding{Code: k.ID})
			}
			v := l.Look(at(ms), all)
			worst := status.OK
			for _, k := range Kinds() {
				holds := slices.ContainsFunc(found, func(f alarm.Kind) bool { return f.ID == k.ID })
				_, held := heldSince[k.ID]
				switch {
				case holds && !held:
					heldSince[k.ID] = ms
				case !holds:
					delete(heldSince, k.ID)
				}
				switch {
				case holds:
					delete(goneSince, k.ID)
					raised[k.ID] = raised[k.ID] || ms-heldSince[k.ID] >= int(k.Raise.Milliseconds())
				case raised[k.ID]:
					if _, gone := goneSince[k.ID]; !gone {
						goneSince[k.ID] = ms
					}
					if ms-goneSince[k.ID] >= int(k.Clear.Milliseconds()) {
						delete(raised, k.ID)
						delete(goneSince, k.ID)
					}
				}
				if got := strings.Contains(" "+codes(v)+" ", " "+k.ID+" "); got != raised[k.ID] {
					t.Fatalf("at %d: %s raised: %v, want %v", ms, k.ID, got, raised[k.ID])
				}
				if raised[k.ID] && (worst == status.OK || status.State(k.Severity) == status.Impaired) {
					worst = status.State(k.Severity)
				}
			}
			if worst != state {
				state, since = worst, at(ms)
			}
			if v.State != state || !v.Since.Equal(since) {
				t.Fatalf("at %d: %s since %v, want %s since %v (%s)", ms, v.State, v.Since, state, since, codes(v))
			}
			for i := 1; i < len(v.Raised); i++ {
				if rank(v.Raised[i-1].Code) > rank(v.Raised[i].Code) {
					t.Fatalf("at %d: %s", ms, codes(v))
				}
			}
			if pending := slices.ContainsFunc(found, func(k alarm.Kind) bool { return k.Raise < time.Second && !raised[k.ID] }); pending != l.Pending() {
				t.Fatalf("at %d: pending %v, want %v", ms, l.Pending(), pending)
			}
		}
	})
}
