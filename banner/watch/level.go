package watch

import (
	"cmp"
	"slices"
	"time"

	"auditbridge/internal/alarm"
	"auditbridge/internal/status"
)

// Raised is a finding that has held for as long as its kind asks for.
type Raised struct {
	Finding
	Since time.Time `json:"since"` // when it was first seen
}

// Verdict is how auditing stands.
type Verdict struct {
	State  status.State `json:"state"`
	Since  time.Time    `json:"since"`  // of State
	Raised []Raised     `json:"raised"` // what stands first in findings.txt first
}

// Level turns what each look finds into a verdict that does not flicker: a
// finding is raised when it has held for a while, and stays until it has been gone
// for a while. It is pure and not safe for concurrent use.
type Level struct {
	set     alarm.Set
	seen    map[alarm.Condition]Raised // as they held last, since when they hold
	verdict Verdict
}

// NewLevel begins at OK.
func NewLevel(now time.Time) *Level {
	return &Level{
		set:     alarm.Set{Kinds: Lookup},
		seen:    map[alarm.Condition]Raised{},
		verdict: Verdict{State: status.OK, Since: now, Raised: []Raised{}},
	}
}

// Look takes what was found at now. The caller owns what it returns.
func (l *Level) Look(now time.Time, found []Finding) Verdict {
	holds := make([]alarm.Condition, 0, len(found))
	for _, f := range found {
		c := alarm.Condition{ID: f.Code, Object: f.Object}
		if slices.Contains(holds, c) {
			continue
		}
		holds = append(holds, c)
		since := now
		if before, was := l.seen[c]; was {
			since = before.Since
		}
		l.seen[c] = Raised{f, since}
	}
	l.set.Update(now, holds)
	l.verdict.Raised = []Raised{}
	keep := map[alarm.Condition]Raised{}
	for _, c := range holds {
		keep[c] = l.seen[c]
	}
	state := status.OK
	for _, a := range l.set.Active() {
		keep[a.Condition] = l.seen[a.Condition]
		l.verdict.Raised = append(l.verdict.Raised, l.seen[a.Condition])
		if s := l.seen[a.Condition].State(); s == status.Impaired || state == status.OK {
			state = s
		}
	}
	l.seen = keep
	slices.SortStableFunc(l.verdict.Raised, func(a, b Raised) int {
		return cmp.Or(cmp.Compare(rank(a.Code), rank(b.Code)), cmp.Compare(a.Object, b.Object))
	})
	if state != l.verdict.State {
		l.verdict.State, l.verdict.Since = state, now
	}
	v := l.verdict
	v.Raised = slices.Clone(v.Raised)
	return v
}

// Pending says that something was found that the next look but one could raise: it
// is worth looking again before the next second.
func (l *Level) Pending() bool {
	for c := range l.seen {
		kind := Lookup(c.ID)
		raised := slices.ContainsFunc(l.verdict.Raised, func(r Raised) bool { return r.Code == c.ID && r.Object == c.Object })
		if kind != nil && kind.Raise < time.Second && !raised {
			return true
		}
	}
	return false
}
