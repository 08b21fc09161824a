package alarm

import (
	"slices"
	"time"
)

// Condition is what an alarm is about, as it holds now.
type Condition struct {
	ID     string `json:"id"`
	Object string `json:"object,omitempty"` // which of several: a destination
}

// Active is an alarm that is raised.
type Active struct {
	Condition
	Number int64     `json:"number"` // names this raising; rises
	Since  time.Time `json:"since"`
}

// Change is an alarm that was raised or cleared.
type Change struct {
	Active
	Raised bool
}

// Set is the state of all alarms. The zero Set has none raised. It is not safe
// for concurrent use.
type Set struct {
	Kinds func(id string) *Kind // nil: Lookup

	raised  []Active                // oldest first
	holding map[Condition]time.Time // since when a condition holds that is not raised yet
	gone    map[Condition]time.Time // since when one is gone whose alarm is raised
	number  int64                   // of the last raising
}

// Resume takes up alarms that a process before this one raised.
func (s *Set) Resume(raised []Active) {
	s.raised = slices.Clone(raised)
	for _, a := range raised {
		s.number = max(s.number, a.Number)
	}
}

// Active lists what is raised, oldest first.
func (s *Set) Active() []Active { return slices.Clone(s.raised) }

// Update takes what holds at now, and returns what is raised and cleared by it,
// raised ones first. A condition of no known kind is left out.
func (s *Set) Update(now time.Time, holds []Condition) (changes []Change) {
	s.holding = since(s.holding, holds, now)
	for _, c := range holds {
		kind := s.kind(c.ID)
		if kind == nil || s.isRaised(c) || now.Sub(s.holding[c]) < kind.Raise {
			continue
		}
		s.number = max(s.number+1, now.UnixMilli())
		a := Active{c, s.number, now}
		s.raised = append(s.raised, a)
		changes = append(changes, Change{a, true})
	}
	var missing []Condition
	for _, a := range s.raised {
		if !slices.Contains(holds, a.Condition) {
			missing = append(missing, a.Condition)
		}
	}
	s.gone = since(s.gone, missing, now)
	s.raised = slices.DeleteFunc(s.raised, func(a Active) bool {
		at, missing := s.gone[a.Condition]
		kind := s.kind(a.ID)
		if !missing || kind != nil && now.Sub(at) < kind.Clear {
			return false
		}
		changes = append(changes, Change{a, false})
		return true
	})
	return changes
}

func (s *Set) kind(id string) *Kind {
	if s.Kinds != nil {
		return s.Kinds(id)
	}
	return Lookup(id)
}

func (s *Set) isRaised(c Condition) bool {
	return slices.ContainsFunc(s.raised, func(a Active) bool { return a.Condition == c })
}

// since keeps the times of those before that are still there, and gives new ones
// the present.
func since(before map[Condition]time.Time, there []Condition, now time.Time) map[Condition]time.Time {
	after := make(map[Condition]time.Time, len(there))
	for _, c := range there {
		at, was := before[c]
		if !was {
			at = now
		}
		after[c] = at
	}
	return after
}
