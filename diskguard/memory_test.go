package diskguard

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/journal"
)

// nextBoot is a guard of the same state-dir in another boot.
func nextBoot(t *testing.T, dir, boot string, cfg Config) (*fake, *Guard) {
	t.Helper()
	cfg.StateDir = dir
	j, g := watched(t, cfg)
	g.memory.boot = boot
	t.Cleanup(func() { g.Close() })
	return j, g
}

func did(j *fake, what string) bool {
	for _, d := range j.did {
		if d == what {
			return true
		}
	}
	return false
}

// A host that was halted because its disk was full, and whose disk is full when it
// starts again, is not halted once more: root shall make room. After ten minutes
// of recording it may be.
func TestAHaltIsNoLoop(t *testing.T) { t.Run("T-HALT-LOOP", aHaltIsNoLoop) }

func aHaltIsNoLoop(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dir := t.TempDir()
		boot := func(id string) (*fake, *Guard) { return nextBoot(t, dir, id, config(Halt)) }
		look := func(j *fake, g *Guard, s journal.State) {
			j.enters(s)
			g.look(t.Context(), time.Now())
		}

		j, g := boot("first")
		look(j, g, journal.StateOK)
		look(j, g, journal.StateFull)
		if !did(j, "halted") {
			t.Fatalf("first: %v", j.did)
		}
		j, g = boot("first") // the power went not off: run was only started again
		look(j, g, journal.StateFull)
		if !did(j, "halted") {
			t.Fatalf("the same boot: %v", j.did)
		}
		j, g = boot("second")
		look(j, g, journal.StateFull)
		if did(j, "halted") || !did(j, "halt-withheld at still-full") || !did(j, "rescued") || !did(j, "told") {
			t.Fatalf("still full: %v", j.did)
		}
		j, g = boot("third")
		look(j, g, journal.StateOK)
		time.Sleep(forgiveAfter - time.Second)
		look(j, g, journal.StateOK)
		look(j, g, journal.StateFull) // full again too soon
		if did(j, "halted") || !did(j, "rescued") {
			t.Fatalf("full again within ten minutes: %v", j.did)
		}
		j, g = boot("fourth")
		look(j, g, journal.StateOK)
		time.Sleep(forgiveAfter)
		look(j, g, journal.StateOK)
		look(j, g, journal.StateFull)
		if !did(j, "halted") {
			t.Fatalf("full after ten minutes: %v", j.did)
		}
		j, g = boot("fifth")
		look(j, g, journal.StateFull)
		if did(j, "halted") {
			t.Fatalf("that halt was not remembered: %v", j.did)
		}
	})
}

// A halt of which nothing would be known afterwards could be the first of a loop.
func TestAHaltThatCannotBeRememberedIsWithheld(t *testing.T) {
	j, g := nextBoot(t, filepath.Join(t.TempDir(), "none", "of", "it"), "first", config(Halt))
	if g.memory.err != nil { // the directories are made when they can be
		t.Fatal(g.memory.err)
	}
	g.memory.slots.Close() // as on a disk that fails
	j.enters(journal.StateFull)
	g.look(t.Context(), time.Now())
	if did(j, "halted") || !did(j, "halt-withheld at not-remembered") || !did(j, "rescued") {
		t.Errorf("%v", j.did)
	}
}

// rescue-action = "nologin": root alone may log in, until there is room; a process
// that comes after lets all in, too. Somebody else's file is left alone.
func TestOnlyRootMayLogInWhileTheDiskIsStillFull(t *testing.T) {
	cfg := config(Halt)
	cfg.RescueAction = NoLogin
	cfg.NoLogin = filepath.Join(t.TempDir(), "nologin")
	state := t.TempDir()
	halted, g := nextBoot(t, state, "first", cfg)
	halted.enters(journal.StateFull)
	g.look(t.Context(), time.Now())

	shut := func(boot string) (*fake, *Guard) {
		t.Helper()
		j, g := nextBoot(t, state, boot, cfg)
		j.enters(journal.StateFull)
		g.look(t.Context(), time.Now())
		text, err := os.ReadFile(cfg.NoLogin)
		if err != nil || !strings.HasPrefix(string(text), "auditbridge: disk-full: ") || !strings.Contains(string(text), "still-full: ") || !strings.Contains(string(text), "make room") {
			t.Fatalf("%q, %v; %v", text, err, j.did)
		}
		return j, g
	}
	open := func() bool { _, err := os.Stat(cfg.NoLogin); return os.IsNotExist(err) }
	j, g := shut("second")
	j.enters(journal.StateOK)
	if g.look(t.Context(), time.Now()); !open() {
		t.Error("there is room, and nobody may log in")
	}
	shut("third")
	_, g = nextBoot(t, state, "third", cfg)
	if g.look(t.Context(), time.Now()); !open() {
		t.Error("a process before kept people out, and they stay out")
	}
	if err := os.WriteFile(cfg.NoLogin, []byte("maintenance\n"), 0o644); err != nil {
		t.Fatal(err)
	}
	_, g = nextBoot(t, state, "fourth", cfg)
	if g.look(t.Context(), time.Now()); open() {
		t.Error("what another program said was removed")
	}
}

// Single-user mode is asked for once: there run and the watch go on, and root is not
// disturbed while he makes room, however long that takes.
func TestWhoMendsAHostIsNotDisturbed(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j, g := nextBoot(t, t.TempDir(), "first", config(Single))
		f, did := failing(t, t.TempDir(), "first", FailureConfig{Action: Single, Wait: time.Second})
		j.enters(journal.StateFull)
		began := time.Now()
		for range 1000 {
			g.look(t.Context(), time.Now())
			f.See(t.Context(), time.Now(), began, "run-failed")
			time.Sleep(time.Second)
		}
		times := 0
		for _, what := range j.did {
			if what == "rescued" {
				times++
			}
		}
		if times != 1 || strings.Join(*did, " ") != "single(run-failed) told rescued" {
			t.Errorf("for a full disk %d times; for a failure: %v", times, *did)
		}
	})
}
