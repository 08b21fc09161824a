package diskguard

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/journal"

	"github.com/google/go-cmp/cmp"
)

func config(full Action) Config {
	return Config{
		Dir: "/", MaxSize: 1000, SpaceLeft: Threshold{Percent: 25}, AdminSpaceLeft: Threshold{Bytes: 50},
		SpaceLeftAction: Syslog, AdminSpaceLeftAction: Syslog, DiskFullAction: full, DiskErrorAction: Syslog,
		Means: Means{Alert: func(string) error { return nil }, Tell: func(string) {}, NoLogin: "/nonexistent/nologin"},
	}
}

// step is what one look finds and what must come of it.
type step struct {
	state journal.State
	bytes int64    // used, of 1000
	want  []string // records, alerts, and what is done, in order
}

// Each level change is on record before its action, and before the next level.
func TestWhatIsDoneAndWhen(t *testing.T) {
	const ok, full, failed, suspended = journal.StateOK, journal.StateFull, journal.StateFailed, journal.StateSuspended
	level := func(l, was Level) string { return "level " + string(l) + " was " + string(was) }
	act := func(l Level, a Action) string { return "action " + string(a) + " at " + string(l) }
	syslog := func(l, was Level) []string { return []string{level(l, was), act(l, Syslog), "alert " + string(l)} }
	toFull := func(more ...string) []string {
		all := append(syslog(LevelSpaceLeft, LevelOK), syslog(LevelAdminSpaceLeft, LevelSpaceLeft)...)
		return append(append(all, level(LevelFull, LevelAdminSpaceLeft)), more...)
	}
	fromFull := []string{level(LevelAdminSpaceLeft, LevelFull), level(LevelSpaceLeft, LevelAdminSpaceLeft), level(LevelOK, LevelSpaceLeft)}
	with := func(change func(*Config)) Config {
		cfg := config(Suspend)
		change(&cfg)
		return cfg
	}
	for _, row := range []struct {
		name  string
		cfg   Config
		steps []step
	}{
		{"down and up again, level by level", config(Suspend), []step{
			{ok, 0, nil},
			{ok, 800, syslog(LevelSpaceLeft, LevelOK)}, {ok, 800, nil},
			{ok, 960, syslog(LevelAdminSpaceLeft, LevelSpaceLeft)},
			{ok, 940, []string{level(LevelSpaceLeft, LevelAdminSpaceLeft)}},
			{ok, 10, []string{level(LevelOK, LevelSpaceLeft)}}}},
		{"T-STG-WARN a disk that fills at once passes all levels", config(Syslog), []step{{full, 0, toFull(act(LevelFull, Syslog), "alert disk-full", "sealed")}}},
		{"T-STG-FULL suspend: the journal has stopped by itself, and goes on by itself", config(Suspend), []step{
			{full, 0, toFull(act(LevelFull, Suspend), "alert disk-full", "sealed")}, {full, 0, nil}, {ok, 0, fromFull}}},
		{"T-STG-FULL drop: on record, no more", config(Ignore), []step{{full, 0, toFull("sealed")}, {ok, 0, fromFull}}},
		{"T-STG-FULL halt, once", config(Halt), []step{
			{full, 0, toFull(act(LevelFull, Halt), "alert disk-full", "halt at disk-full", "sealed", "pushed", "told", "halted")}, {full, 0, nil}}},
		{"T-STG-FULL single", config(Single), []step{
			{full, 0, toFull(act(LevelFull, Single), "alert disk-full", "single-user at disk-full", "sealed", "pushed", "told", "rescued")}}},
		{"halt, but only reported", with(func(c *Config) { c.DiskFullAction, c.Enforce = Halt, Report }), []step{
			{full, 0, toFull("would halt at disk-full", "alert disk-full", "sealed")}}},
		{"suspend while there is room, until there is more", with(func(c *Config) { c.AdminSpaceLeftAction = Suspend }), []step{
			{ok, 960, append(syslog(LevelSpaceLeft, LevelOK), level(LevelAdminSpaceLeft, LevelSpaceLeft), act(LevelAdminSpaceLeft, Suspend), "alert admin-space-left", "suspended")},
			{suspended, 960, nil},
			{suspended, 800, []string{level(LevelSpaceLeft, LevelAdminSpaceLeft), "resumed"}}}},
		{"rotate as long as it helps", with(func(c *Config) { c.AdminSpaceLeftAction = Rotate }), []step{
			{ok, 960, append(syslog(LevelSpaceLeft, LevelOK), level(LevelAdminSpaceLeft, LevelSpaceLeft), act(LevelAdminSpaceLeft, Rotate), "alert admin-space-left", "rotated")},
			{ok, 955, []string{"rotated"}},
			{ok, 940, []string{level(LevelSpaceLeft, LevelAdminSpaceLeft)}}}},
		{"T-STG-FULL overwrite: rotate, and go on at once", config(Rotate), []step{
			{full, 0, toFull(act(LevelFull, Rotate), "alert disk-full", "sealed", "rotated", "resumed")}}},
		{"a failing disk has its own action, whatever room there is", config(Halt), []step{
			{failed, 0, []string{level(LevelError, LevelOK), act(LevelError, Syslog), "alert disk-error"}},
			{ok, 0, []string{level(LevelOK, LevelError)}}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			j, g := watched(t, row.cfg)
			for i, s := range row.steps {
				j.did = nil
				j.bytes = s.bytes
				j.enters(s.state)
				g.look(t.Context(), time.Now())
				if diff := cmp.Diff(s.want, j.did); diff != "" {
					t.Errorf("step %d: -want +got\n%s", i, diff)
				}
			}
		})
	}
}

// watched is a Guard on a fake journal that writes down what is done.
func watched(t *testing.T, cfg Config) (*fake, *Guard) {
	t.Helper()
	j := &fake{}
	cfg.Alert = func(text string) error {
		code, _, _ := strings.Cut(text, ":")
		j.do("alert " + code)
		return nil
	}
	cfg.Push = func(context.Context) error { j.do("pushed"); return nil }
	cfg.Tell = func(string) { j.do("told") }
	cfg.Halter = func(context.Context) error { j.do("halted"); return nil }
	cfg.Rescuer = func(context.Context) error { j.do("rescued"); return nil }
	cfg.Rotate = func(context.Context) (bool, error) { j.do("rotated"); return true, nil }
	g, err := New(cfg, j)
	if err != nil {
		t.Fatal(err)
	}
	return j, g
}

// That there is nothing to rotate is said once, and once more when there was in
// between.
func TestNothingToRotateIsSaidOnce(t *testing.T) {
	j, g := watched(t, config(Rotate))
	closed := 0
	g.cfg.Rotate = func(context.Context) (bool, error) { closed--; return closed >= 0, nil }
	said := func() (n int) {
		for _, what := range j.did {
			if what == "failed rotate at disk-full: there is no closed segment that may go" {
				n++
			}
		}
		return n
	}
	for i, row := range []struct{ closed, want int }{{0, 1}, {0, 1}, {1, 1}, {0, 2}} {
		closed = row.closed
		j.enters(journal.StateFull)
		g.look(t.Context(), time.Now())
		if said() != row.want {
			t.Errorf("look %d: said %d times, want %d: %v", i, said(), row.want, j.did)
		}
	}
}

// Whoever resumes recording by hand is not overruled while the level lasts.
func TestRecordingResumedByHandStays(t *testing.T) {
	cfg := config(Suspend)
	cfg.SpaceLeftAction = Suspend
	j, g := watched(t, cfg)
	j.bytes = 800
	g.look(t.Context(), time.Now())
	if j.Stats().State != journal.StateSuspended {
		t.Fatalf("%v", j.did)
	}
	j.enters(journal.StateOK)
	j.did = nil
	g.look(t.Context(), time.Now())
	if len(j.did) > 0 {
		t.Errorf("%v", j.did)
	}
}

func TestAHaltThatFailsIsTriedAgain(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		cfg := config(Halt)
		cfg.Halter = func(context.Context) error {
			if tries++; tries < 3 {
				return errors.New("no")
			}
			return nil
		}
		j := &fake{}
		j.enters(journal.StateFull)
		g, err := New(cfg, j)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		time.Sleep(10 * time.Second)
		stop()
		if err := <-done; err != nil || tries != 3 {
			t.Errorf("tried %d times, ended with %v", tries, err)
		}
	})
}

// Whoever takes the halt out of the configuration while it fails is heard.
func TestAHaltThatFailsCanBeTakenBack(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		tries := 0
		cfg := config(Halt)
		cfg.Halter = func(context.Context) error { tries++; return errors.New("no") }
		j := &fake{}
		j.enters(journal.StateFull)
		g, err := New(cfg, j)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		time.Sleep(endRetry + time.Second)
		synctest.Wait()
		if tries != 2 {
			t.Errorf("tried %d times", tries)
		}
		if err := g.Reconfigure(config(Suspend)); err != nil {
			t.Fatal(err)
		}
		time.Sleep(time.Minute)
		synctest.Wait()
		if tries != 2 {
			t.Errorf("tried %d times although the configuration does not say so any more", tries)
		}
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
}

func TestTheJournalCanWakeTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &fake{}
		g, err := New(config(Suspend), j)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		j.enters(journal.StateFull)
		g.Changed()
		g.Changed()
		synctest.Wait() // no time passes
		if s := g.Space(); s.State != journal.StateFull || s.Level != LevelFull || s.Action != Suspend {
			t.Errorf("after the journal called: %+v", s)
		}
		stop()
		<-done
	})
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	err := (&Config{SpaceLeftAction: Halt, DiskFullAction: "explode", DiskErrorAction: Rotate, Enforce: "perhaps"}).Validate()
	for _, want := range []string{
		`space-left-action: "halt" is refused at space-left: there is still room`, "admin-space-left-action", `disk-full-action: "explode" is none of: ignore syslog`,
		`disk-error-action: "rotate" is refused at disk-error: dropping segments mends no disk`, "do not ascend", `enforce: "perhaps"`,
	} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}

// A journal whose max-size is more than its disk is warned of before the disk
// is full, by shares of the disk.
func TestASmallDiskWarnsBeforeItIsFull(t *testing.T) {
	dir := smallDisk(t, "tmpfs") // 48 MiB
	cfg := config(Suspend)
	cfg.Dir, cfg.MaxSize, cfg.SpaceLeft, cfg.AdminSpaceLeft = dir, 10<<30, Threshold{Percent: 25}, Threshold{Percent: 5}
	g, err := New(cfg, &fake{})
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		taken int64 // MiB
		want  Level
	}{{0, LevelOK}, {35, LevelOK}, {37, LevelSpaceLeft}, {45, LevelSpaceLeft}, {46, LevelAdminSpaceLeft}, {48, LevelAdminSpaceLeft}, {0, LevelOK}} {
		if err := os.WriteFile(filepath.Join(dir, "taken"), make([]byte, row.taken<<20), 0o600); err != nil {
			t.Fatal(err)
		}
		g.look(t.Context(), time.Now())
		if s := g.Space(); s.Level != row.want || s.Free != (48-row.taken)<<20 {
			t.Errorf("%d MiB taken: %s, %d free; want %s", row.taken, s.Level, s.Free, row.want)
		}
	}
}

// What the watch is to do stands until it says that it did, or why not; a level that
// begins anew asks once. Only where nothing is enforced nobody is asked.
func TestOrdersStandUntilTheyAreCarriedOut(t *testing.T) {
	cfg := config(Suspend)
	cfg.SpaceLeftAction, cfg.AdminSpaceLeftAction = "exec:/sbin/make-room", Email
	j, g := watched(t, cfg)
	at := func(bytes int64) []Order {
		j.bytes = bytes
		g.look(t.Context(), time.Now())
		return g.Space().Orders
	}
	first := at(800)
	if len(first) != 1 || first[0].Level != LevelSpaceLeft || first[0].Action != "exec:/sbin/make-room" {
		t.Fatalf("%+v", first)
	}
	at(0)
	again := at(960)
	if len(again) != 2 || again[0].Number <= first[0].Number || again[1].Number <= again[0].Number || again[1].Action != Email {
		t.Fatalf("%+v", again)
	}
	g.Carried(again[0].Number, "exit status 1")
	g.Carried(again[1].Number, "")
	g.Carried(12345, "nobody's")
	if left := g.Space().Orders; len(left) > 0 || !did(j, "failed exec:/sbin/make-room at space-left: exit status 1") || !did(j, "space-action-done at admin-space-left") {
		t.Errorf("%+v, %v", left, j.did)
	}
	cfg.Enforce = Report
	j, g = watched(t, cfg)
	if orders := at(960); len(orders) > 0 || !did(j, "would email at admin-space-left") {
		t.Errorf("%+v, %v", orders, j.did)
	}
}

// Operators are told for as long as the level lasts, below it, too.
func TestTheBannerStaysBelowItsLevel(t *testing.T) {
	cfg := config(Suspend)
	cfg.SpaceLeftAction = Banner
	j, g := watched(t, cfg)
	for _, row := range []struct {
		bytes int64
		want  bool
	}{{0, false}, {800, true}, {960, true}, {800, true}, {0, false}} {
		j.bytes = row.bytes
		if g.look(t.Context(), time.Now()); g.Space().Banner != row.want {
			t.Errorf("at %d: %v", row.bytes, g.Space().Banner)
		}
	}
}
