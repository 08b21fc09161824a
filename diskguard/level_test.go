package diskguard

import (
	"testing"

	"auditbridge/journal"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
)

// What room there is decides the level, of what is a share of what.
func TestLevels(t *testing.T) {
	const large = 1 << 40 // a disk that does not matter
	for _, row := range []struct {
		name  string
		room  Room
		state journal.State
		want  Level
		free  int64
	}{
		{"nothing used", Room{Used: 0, Disk: large, Available: large}, journal.StateOK, LevelOK, 1000},
		{"25% left", Room{Used: 750, Disk: large, Available: large}, journal.StateOK, LevelOK, 250},
		{"less than 25%", Room{Used: 751, Disk: large, Available: large}, journal.StateOK, LevelSpaceLeft, 249},
		{"50 bytes left", Room{Used: 950, Disk: large, Available: large}, journal.StateOK, LevelSpaceLeft, 50},
		{"less than 50", Room{Used: 951, Disk: large, Available: large}, journal.StateOK, LevelAdminSpaceLeft, 49},
		{"more than max-size", Room{Used: 2000, Disk: large, Available: large}, journal.StateOK, LevelAdminSpaceLeft, 0},
		{"could not be extended", Room{Used: 0, Disk: large, Available: large}, journal.StateFull, LevelFull, 1000},
		{"cannot be written", Room{Used: 0, Disk: large, Available: large}, journal.StateFailed, LevelError, 1000},
		{"suspended with room", Room{Used: 0, Disk: large, Available: large}, journal.StateSuspended, LevelOK, 1000},
		{"the disk does not say", Room{Used: 700}, journal.StateOK, LevelOK, 300},

		{"others' files on a disk larger than max-size do not count", Room{Used: 100, Disk: 2000, Available: 10}, journal.StateOK, LevelOK, 10},
		{"max-size is as large as the disk", Room{Used: 100, Disk: 1000, Available: 10}, journal.StateOK, LevelOK, 10},
		{"a disk smaller than max-size: 25% of it", Room{Used: 150, Disk: 200, Available: 50}, journal.StateOK, LevelOK, 50},
		{"less than 25% of it", Room{Used: 100, Disk: 400, Available: 99}, journal.StateOK, LevelSpaceLeft, 99},
		{"less than 50 bytes of it", Room{Used: 100, Disk: 400, Available: 49}, journal.StateOK, LevelAdminSpaceLeft, 49},
		{"used up to max-size although the disk has room", Room{Used: 980, Disk: 999, Available: 900}, journal.StateOK, LevelAdminSpaceLeft, 20},
	} {
		cfg := config(Suspend)
		if got, free := cfg.LevelOf(row.room, row.state), cfg.Free(row.room); got != row.want || free != row.free {
			t.Errorf("%s: %s with %d free, want %s with %d", row.name, got, free, row.want, row.free)
		}
	}
}

// A level begins below its threshold and ends a tenth above it; each one on the
// way is entered.
func TestLevelsHaveHysteresis(t *testing.T) {
	limits := Limits{Whole: 1000, SpaceLeft: 250, AdminSpaceLeft: 50}
	var m Machine
	for i, row := range []struct {
		state journal.State
		left  int64
		want  []Level
	}{
		{journal.StateOK, 250, nil},
		{journal.StateOK, 249, []Level{LevelSpaceLeft}},
		{journal.StateOK, 260, nil},
		{journal.StateOK, 274, nil},
		{journal.StateOK, 275, []Level{LevelOK}},
		{journal.StateOK, 40, []Level{LevelSpaceLeft, LevelAdminSpaceLeft}},
		{journal.StateOK, 54, nil},
		{journal.StateOK, 55, []Level{LevelSpaceLeft}},
		{journal.StateOK, 900, []Level{LevelOK}},
		{journal.StateFull, 900, []Level{LevelSpaceLeft, LevelAdminSpaceLeft, LevelFull}},
		{journal.StateFailed, 900, []Level{LevelError}},
		{journal.StateFailed, 10, nil},
		{journal.StateFull, 10, []Level{LevelFull}},
		{journal.StateOK, 54, []Level{LevelAdminSpaceLeft}},
		{journal.StateFailed, 54, []Level{LevelError}},
		{journal.StateOK, 1000, []Level{LevelAdminSpaceLeft, LevelSpaceLeft, LevelOK}},
	} {
		var got []Level
		for _, c := range m.Step(row.state, limits, row.left) {
			got = append(got, c.New)
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("step %d, %s with %d left: -want +got\n%s", i, row.state, row.left, diff)
		}
	}
}

// Whatever happens to a disk: the changes of one look are a chain from the level
// before to the one that is; on the line each is one step; a second look at the
// same finds nothing new; and the level is never a lie: full is full, a disk that
// fails fails, below a threshold is below it, and what is well above one is not.
func TestLevelMachine(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		whole := rapid.Int64Range(100, 1<<50).Draw(t, "whole")
		space := rapid.Int64Range(2, whole-1).Draw(t, "space-left")
		limits := Limits{whole, space, rapid.Int64Range(1, space-1).Draw(t, "admin-space-left")}
		var m Machine
		for range rapid.IntRange(1, 40).Draw(t, "looks") {
			state := journal.State(rapid.Uint32Range(0, 3).Draw(t, "state"))
			left := rapid.OneOf(rapid.Int64Range(0, whole), rapid.Int64Range(max(0, space-5), min(whole, space+5)),
				rapid.Int64Range(0, min(whole, limits.AdminSpaceLeft+5))).Draw(t, "left")
			at := m.Level()
			for _, c := range m.Step(state, limits, left) {
				if c.Old != at || c.New == c.Old {
					t.Fatalf("from %s a change %s → %s", at, c.Old, c.New)
				}
				if step := place(c.New) - place(c.Old); c.Old != LevelError && c.New != LevelError && step != 1 && step != -1 {
					t.Fatalf("%s → %s leaves a level out", c.Old, c.New)
				}
				at = c.New
			}
			if at != m.Level() {
				t.Fatalf("the changes end at %s, the machine is at %s", at, m.Level())
			}
			if again := m.Step(state, limits, left); len(again) > 0 {
				t.Fatalf("the same look again changes %v", again)
			}
			if is := at == LevelError; is != (state == journal.StateFailed) {
				t.Fatalf("%s when the journal is %s", at, state)
			}
			if is := at == LevelFull; is != (state == journal.StateFull) {
				t.Fatalf("%s when the journal is %s", at, state)
			}
			if at == LevelError || at == LevelFull {
				continue
			}
			if begins := limits.begins(place(at)); at != LevelOK && left >= begins+begins/10+1 {
				t.Fatalf("%s with %d left, of %+v", at, left, limits)
			}
			if at == LevelOK && left < limits.SpaceLeft || at == LevelSpaceLeft && left < limits.AdminSpaceLeft {
				t.Fatalf("only %s with %d left, of %+v", at, left, limits)
			}
			if left == whole && at != LevelOK {
				t.Fatalf("%s when all is left", at)
			}
		}
	})
}
