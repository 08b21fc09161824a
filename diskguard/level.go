package diskguard

import "auditbridge/journal"

// Level is how little room there is, in auditd's words. They are the codes of
// what is said about them, too.
type Level string

const (
	LevelOK             Level = "ok"
	LevelSpaceLeft      Level = "space-left"
	LevelAdminSpaceLeft Level = "admin-space-left"
	LevelFull           Level = "disk-full"  // the journal's files cannot be extended
	LevelError          Level = "disk-error" // they cannot be written; beside the others, whatever room there is
)

// line is the order in which room runs out.
var line = [...]Level{LevelOK, LevelSpaceLeft, LevelAdminSpaceLeft, LevelFull}

func place(l Level) int {
	for i := range line {
		if line[i] == l {
			return i
		}
	}
	return 0
}

// Limits are the levels in one place: of all the bytes there are (whole), how
// many must be left.
type Limits struct {
	Whole, SpaceLeft, AdminSpaceLeft int64 // Whole > SpaceLeft > AdminSpaceLeft
}

// begins is how many bytes must be left for the level at place i not to begin.
func (m Limits) begins(i int) int64 {
	return [...]int64{m.Whole, m.SpaceLeft, m.AdminSpaceLeft, 0}[i]
}

// ends is how many bytes must be left for it to end again: a tenth more, so that
// a journal that breathes does not raise an alarm with every breath. A journal
// that takes nothing is at no level.
func (m Limits) ends(i int) int64 {
	limit := m.begins(i)
	return limit + max(0, min(limit/10, (m.Whole-limit)/2))
}

// Limits of the room r, and what is left of it.
//
// A journal smaller than its file system is measured against MaxSize alone, so
// that nobody else's files can trigger an action. One that may outgrow its file
// system is measured against that: MaxSize would never be reached, and the disk
// would be full without a warning.
func (c *Config) Limits(r Room) (limits Limits, left int64) {
	whole, left := c.MaxSize, c.MaxSize-r.Used
	if r.Disk > 0 && r.Disk < c.MaxSize {
		whole, left = r.Disk, c.Free(r)
	}
	return Limits{whole, c.SpaceLeft.Of(whole), c.AdminSpaceLeft.Of(whole)}, max(0, left)
}

// LevelOf is the level of the room r by itself, whatever it was before.
func (c *Config) LevelOf(r Room, state journal.State) Level {
	var m Machine
	limits, left := c.Limits(r)
	m.Step(state, limits, left)
	return m.Level()
}

// Change is one step from a level to the next, or into or out of LevelError.
type Change struct{ Old, New Level }

// Worse tells a descent from a recovery.
func (c Change) Worse() bool {
	return c.New == LevelError || c.Old != LevelError && place(c.New) > place(c.Old)
}

// Machine decides at which level a journal is. It is pure, and begins at
// LevelOK.
type Machine struct {
	at     int  // in line
	failed bool // the disk fails; what at was before stands
}

// Level is where the machine stands.
func (m *Machine) Level() Level {
	if m.failed {
		return LevelError
	}
	return line[m.at]
}

// Step takes what one look found and returns the changes it makes, one level at
// a time: whatever is full was short of space before, however fast it filled.
// That the disk is full is not decided by counting: it means that the journal
// could not be extended.
func (m *Machine) Step(state journal.State, limits Limits, left int64) (changes []Change) {
	to := func(change func()) {
		old := m.Level()
		change()
		changes = append(changes, Change{old, m.Level()})
	}
	if failed := state == journal.StateFailed; failed != m.failed {
		to(func() { m.failed = failed })
	}
	if m.failed {
		return changes
	}
	for target := m.target(state == journal.StateFull, limits, left); m.at != target; {
		to(func() {
			if m.at < target {
				m.at++
			} else {
				m.at--
			}
		})
	}
	return changes
}

// target is the place in line that left belongs to: what has begun stays until
// it ends.
func (m *Machine) target(full bool, limits Limits, left int64) int {
	if full {
		return place(LevelFull)
	}
	for i := place(LevelAdminSpaceLeft); i > 0; i-- {
		limit := limits.begins(i)
		if i <= m.at {
			limit = limits.ends(i)
		}
		if left < limit {
			return i
		}
	}
	return 0
}
