package rules

import (
	"errors"
	"fmt"
	"slices"

	"golang.org/x/sys/unix"
)

// Loaded is what a load did.
type Loaded struct {
	Added, Deleted, Kept int
	Skipped              []Problem // rules that -i or -c let pass, and why
	Set                  []Setting // settings that had another value
	Locked               bool
	Lock                 bool // -e 2 was asked for, and not obeyed
}

// Load makes the kernel's rules and settings what is desired, as one change:
// when anything fails, what was there before is put back, and the error says
// both. It succeeds only when the kernel then lists what is desired. With lock it
// locks the rules until the next boot, last of all. Beside an error there is a Loaded
// when all that stands, and something failed of what is done behind it and cannot be
// undone.
//
// Rules by which one of d.Exempt exempts itself from being audited stay in front:
// they are the state of that process and stand in no file.
func Load(k Kernel, d *Desired, lock bool) (*Loaded, error) {
	b, err := Survey(k)
	if err != nil {
		return nil, err
	}
	return b.Load(d, lock)
}

// Before is what a kernel has before a load.
type Before struct {
	kernel Kernel
	rules  []Line
	state  State
}

// Survey finds out what the kernel has. Nobody else should change it from then on.
func Survey(k Kernel) (b *Before, err error) {
	b = &Before{kernel: k}
	if b.rules, err = listed(k); err == nil {
		b.state, err = k.State()
	}
	return b, err
}

// Load is the rest of Load: what a survey tells can be had while files are read.
func (b *Before) Load(d *Desired, lock bool) (*Loaded, error) {
	wanted := d.withExemptions(b.rules)
	changes := plan(b.rules, wanted)
	if b.state.Locked() {
		if n := len(changes) + len(d.unequal(&b.state)); n > 0 {
			return nil, LockedError{n}
		}
		return &Loaded{Kept: len(wanted), Locked: true}, nil
	}
	l := &loading{Before: b, desired: d, done: &Loaded{}}
	if err := l.do(changes, wanted); err != nil {
		return nil, errors.Join(err, l.undo())
	}
	return l.done, l.finish(lock)
}

// loading is a load under way.
type loading struct {
	*Before
	desired *Desired
	done    *Loaded
}

func (l *loading) do(changes []Change, wanted []Line) error {
	for _, s := range l.desired.unequal(&l.state) {
		if s == LoginUIDImmutable || s == Enabled {
			continue // in the end
		}
		if err := l.set(s); err != nil {
			return err
		}
	}
	results, err := l.kernel.Change(changes)
	if err != nil {
		return err
	}
	without := map[identity]bool{}
	for i, failed := range results {
		c := &changes[i]
		switch {
		case failed == nil && c.Delete:
			l.done.Deleted++
		case failed == nil:
			l.done.Added++
		case c.Delete || !l.desired.Lenient:
			return l.refused(c, failed)
		default:
			l.done.Skipped = append(l.done.Skipped, at(l.desired.origin(c.Rule), l.refused(c, failed)))
			without[c.Rule.identity()] = true
		}
	}
	if len(without) > 0 {
		wanted = slices.DeleteFunc(slices.Clone(wanted), func(l Line) bool { return without[l.identity()] })
	}
	l.done.Kept = len(wanted) - l.done.Added
	return l.verify(wanted)
}

// listed is what the kernel has.
func listed(k Kernel) ([]Line, error) {
	rules, err := k.List()
	return asLines(rules), err
}

// verify asks the kernel what it has.
func (l *loading) verify(wanted []Line) error {
	now, err := listed(l.kernel)
	if err != nil {
		return err
	}
	if !sameLines(now, wanted) {
		return fmt.Errorf("the kernel lists other rules than were loaded: %d and not %d, or in another order; did somebody else change them at the same time?", len(now), len(wanted))
	}
	state, err := l.kernel.State()
	if err != nil {
		return err
	}
	for _, s := range l.desired.unequal(&state) {
		if s != LoginUIDImmutable && s != Enabled {
			return tookNot(&state, s, *l.desired.Settings[s])
		}
	}
	return nil
}

func tookNot(have *State, s Setting, want uint32) error {
	return fmt.Errorf("the kernel's audit %s is %d after it was set to %d", s, have.Settings[s], want)
}

// setAndAsk sets what is set in the end, and asks whether the kernel has it.
func (l *loading) setAndAsk(s Setting, value uint32) error {
	if err := l.kernel.Set(s, value); err != nil {
		return err
	}
	state, err := l.kernel.State()
	if err == nil && state.Settings[s] != value {
		err = tookNot(&state, s, value)
	}
	return err
}

// sameLines tells whether all do the same in the same order. The kernel lists a
// rule's comparisons as they were given, which is quickly compared.
func sameLines(a, b []Line) bool {
	if len(a) != len(b) {
		return false
	}
	for i := range a {
		one, other := &a[i].Rule, &b[i].Rule
		if one.List == other.List && one.Action == other.Action && one.Calls == other.Calls && slices.Equal(one.Fields, other.Fields) {
			continue
		}
		if a[i].identity() != b[i].identity() {
			return false
		}
	}
	return true
}

func (l *loading) set(s Setting) error {
	l.done.Set = append(l.done.Set, s)
	return l.kernel.Set(s, *l.desired.Settings[s])
}

// finish does what cannot be undone, once all else stands.
func (l *loading) finish(lock bool) error {
	for _, s := range l.desired.unequal(&l.state) {
		if s == LoginUIDImmutable || s == Enabled && *l.desired.Settings[s] != locked {
			if err := l.setAndAsk(s, *l.desired.Settings[s]); err != nil {
				return err
			}
			l.done.Set = append(l.done.Set, s)
		}
	}
	for _, request := range l.desired.Requests {
		if err := l.kernel.Request(request); err != nil {
			return at(request.At, err)
		}
	}
	if !lock {
		l.done.Lock = l.desired.Settings[Enabled] != nil && *l.desired.Settings[Enabled] == locked
		return nil
	}
	err := l.setAndAsk(Enabled, locked)
	l.done.Locked = err == nil
	return err
}

// undo puts back what was there, whatever the kernel has now.
func (l *loading) undo() error {
	var errs []error
	now, err := listed(l.kernel)
	if err == nil {
		var results []error
		results, err = l.kernel.Change(plan(now, once(l.rules)))
		errs = append(errs, results...)
	}
	for _, s := range l.done.Set {
		errs = append(errs, l.kernel.Set(s, l.state.Settings[s]))
	}
	if err := errors.Join(append(errs, err)...); err != nil {
		return fmt.Errorf("put back the rules that were loaded before: %w", err)
	}
	return nil
}

// refused says which rule the kernel did not take.
func (l *loading) refused(c *Change, err error) error {
	what := "the kernel refuses"
	switch {
	case errors.Is(err, unix.ENOENT) && !c.Delete:
		what = "a directory on the way does not exist:"
	case errors.Is(err, unix.EINVAL) && !c.Delete:
		what = "the kernel does not understand"
	case errors.Is(err, unix.EEXIST):
		what = "the kernel already has"
	case c.Delete:
		what = "the kernel does not delete"
	}
	host, failed := ThisHost()
	if failed != nil {
		return failed
	}
	problem := at(l.desired.origin(c.Rule), fmt.Errorf("%s %q: %w", what, host.Show(c.Rule.Listed()), err))
	if problem.At.File == "" {
		return errors.New(problem.What)
	}
	return problem
}

// origin is where a rule stands in the files.
func (d *Desired) origin(r Rule) Position {
	id := r.identity()
	for i := range d.Rules {
		if d.Rules[i].identity() == id {
			return d.Rules[i].From
		}
	}
	return Position{}
}

// unequal are the settings that have another value than is desired. Locked is
// equal to enabled here: load locks only on request.
func (d *Desired) unequal(s *State) (unequal []Setting) {
	for i, want := range d.Settings {
		if want == nil || *want == s.Settings[i] {
			continue
		}
		if Setting(i) == Enabled && (*want == locked && s.Settings[i] == 1 || s.Settings[i] == locked && *want == 1) {
			continue
		}
		unequal = append(unequal, Setting(i))
	}
	return unequal
}

// withExemptions is what the kernel shall list: in front of the exit rules of the
// files those by which a process has exempted itself that may.
func (d *Desired) withExemptions(loaded []Line) []Line {
	var exempt []Line
	for i := range loaded {
		pid, ok := loaded[i].Rule.exempts()
		same := func(l Line) bool { return l.identity() == loaded[i].identity() }
		if ok && slices.Contains(d.Exempt, pid) && !slices.ContainsFunc(d.Rules, same) && !slices.ContainsFunc(exempt, same) {
			exempt = append(exempt, loaded[i])
		}
	}
	if exempt == nil {
		return d.Rules
	}
	var wanted []Line
	for _, l := range d.Rules {
		if l.Rule.List > ListTask && exempt != nil {
			wanted, exempt = append(wanted, exempt...), nil
		}
		wanted = append(wanted, l)
	}
	return append(wanted, exempt...)
}

// exempts tells whether a rule keeps one process, or its children, from being
// audited, never,exit with its pid and nothing else, and which.
func (r *Rule) exempts() (pid int, ok bool) {
	if r.List != ListExit || r.Action != Never || !r.Calls.all() || len(r.Fields) != 1 {
		return 0, false
	}
	f := r.Fields[0]
	return int(f.Value), f.Op == Equal && (f.ID == fieldPID || f.ID == fieldPPID)
}
