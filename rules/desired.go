package rules

import (
	"slices"
)

// Desired is the state that rule files ask for: what the kernel's lists hold
// once every line has been obeyed, beginning with none.
type Desired struct {
	Rules    []Line                // in the order in which the kernel lists them
	Settings [settingCount]*uint32 // nil: left as it is
	Requests []Statement           // -t, -q, --reset-lost …: done once, in this order
	Lenient  bool                  // -i or -c: a rule that cannot be loaded is passed over
	Failing  bool                  // -c: and load says so in the end
	Warnings []Problem             // lines without effect

	// Exempt are the processes that may have exempted themselves from being audited,
	// by rules that stand in no file. Whoever desires must know them by more than
	// their rules: anybody's process can be exempted so.
	Exempt []int
}

// Line is a rule and where it comes from.
type Line struct {
	Rule Rule
	From Position

	id identity // the rule's, once it is known
}

func asLines(rules []Rule) []Line {
	lines := make([]Line, len(rules))
	for i := range rules {
		lines[i].Rule = rules[i]
	}
	return lines
}

// identity is the rule's; it is worked out once.
func (l *Line) identity() identity {
	if l.id == (identity{}) {
		l.id = l.Rule.identity()
	}
	return l.id
}

// Desire works out what the statements of a file ask for.
func (f *File) Desire() *Desired {
	d := &Desired{Warnings: slices.Clone(f.Warnings)}
	lists, known := map[List][]Line{ListExit: make([]Line, 0, len(f.Statements))}, make(map[identity]Position, len(f.Statements))
	for i := range f.Statements {
		s := &f.Statements[i]
		switch s.Verb {
		case Add:
			d.add(lists, known, s)
		case Delete:
			d.remove(lists, known, s)
		case Clear:
			for l := range lists {
				lists[l] = slices.DeleteFunc(lists[l], func(l Line) bool {
					gone := s.Word == "" || hasKey(&l.Rule, s.Word)
					if gone {
						delete(known, l.identity())
					}
					return gone
				})
			}
		case Set:
			d.Settings[s.Setting] = &s.Value
		case IgnoreErrors:
			d.Lenient = true
		case ContinueAfter:
			d.Lenient, d.Failing = true, true
		case Ask:
			d.warn(s, "a line that only asks", "it does nothing here; remove it")
		default:
			d.Requests = append(d.Requests, *s)
		}
	}
	for l := ListUser; l <= ListURing; l++ {
		if d.Rules == nil {
			d.Rules = lists[l]
		} else {
			d.Rules = append(d.Rules, lists[l]...)
		}
	}
	return d
}

func (d *Desired) add(lists map[List][]Line, known map[identity]Position, s *Statement) {
	line := Line{Rule: s.Rule.Listed(), From: s.At}
	if other, ok := known[line.identity()]; ok {
		d.warn(s, "the same rule as at "+other.String(), "auditctl stops here, unless -i or -c stands above; remove one")
		return
	}
	known[line.identity()] = s.At
	if list := lists[s.Rule.List]; s.Rule.Prepend {
		lists[s.Rule.List] = slices.Insert(list, 0, line)
	} else {
		lists[s.Rule.List] = append(list, line)
	}
}

func (d *Desired) remove(lists map[List][]Line, known map[identity]Position, s *Statement) {
	id := s.Rule.Listed().identity()
	if _, ok := known[id]; !ok {
		d.warn(s, "no line above adds the rule that this one deletes", "the files say all that shall be loaded: there is nothing to delete")
		return
	}
	delete(known, id)
	lists[s.Rule.List] = slices.DeleteFunc(lists[s.Rule.List], func(l Line) bool { return l.identity() == id })
}

// Paths are all that the rules watch, or compare the program with.
func (d *Desired) Paths() (paths []string) {
	for _, l := range d.Rules {
		for _, f := range l.Rule.Fields {
			if f.info() != nil && f.info().kind == "path" {
				paths = append(paths, f.Text)
			}
		}
	}
	return paths
}

func (d *Desired) warn(s *Statement, what, hint string) {
	d.Warnings = append(d.Warnings, Problem{At: s.At, What: what, Hint: hint})
}

// hasKey is how -D -k chooses: the key is one of the rule's, or all of them.
func hasKey(r *Rule, key string) bool {
	f, ok := r.find(fieldKey)
	return ok && (f.Text == key || slices.Contains(r.Keys(), key))
}
