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
}

// Line is a rule and where it comes from.
type Line struct {
	Rule Rule
	From Position
}

// Desire works out what the statements of a file ask for.
func (f *File) Desire() *Desired {
	d := &Desired{Warnings: slices.Clone(f.Warnings)}
	lists := map[List][]Line{}
	for _, s := range f.Statements {
		switch s.Verb {
		case Add:
			d.add(lists, s)
		case Delete:
			d.remove(lists, s)
		case Clear:
			for l := range lists {
				lists[l] = slices.DeleteFunc(lists[l], func(l Line) bool { return s.Word == "" || hasKey(&l.Rule, s.Word) })
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
			d.Requests = append(d.Requests, s)
		}
	}
	for l := ListUser; l <= ListURing; l++ {
		d.Rules = append(d.Rules, lists[l]...)
	}
	return d
}

func (d *Desired) add(lists map[List][]Line, s Statement) {
	line := Line{s.Rule.Listed(), s.At}
	list := lists[s.Rule.List]
	for _, other := range list {
		if other.Rule.identity() == line.Rule.identity() {
			d.warn(s, "the same rule as at "+other.From.String(), "auditctl stops here, unless -i or -c stands above; remove one")
			return
		}
	}
	if s.Rule.Prepend {
		lists[s.Rule.List] = slices.Insert(list, 0, line)
	} else {
		lists[s.Rule.List] = append(list, line)
	}
}

func (d *Desired) remove(lists map[List][]Line, s Statement) {
	list := lists[s.Rule.List]
	i := slices.IndexFunc(list, func(l Line) bool { return l.Rule.identity() == s.Rule.Listed().identity() })
	if i < 0 {
		d.warn(s, "no line above adds the rule that this one deletes", "the files say all that shall be loaded: there is nothing to delete")
		return
	}
	lists[s.Rule.List] = slices.Delete(list, i, i+1)
}

func (d *Desired) warn(s Statement, what, hint string) {
	d.Warnings = append(d.Warnings, Problem{s.At, what, hint})
}

// hasKey is how -D -k chooses: the key is one of the rule's, or all of them.
func hasKey(r *Rule, key string) bool {
	f, ok := r.find(fieldKey)
	return ok && (f.Text == key || slices.Contains(r.Keys(), key))
}
