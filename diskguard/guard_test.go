package diskguard

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"regexp"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/google/go-cmp/cmp"
)

func (j *journal) Seal(ctx context.Context) error {
	j.sealed()
	return ctx.Err()
}

func testContext() context.Context { return context.Background() }

func config(full Action) Config {
	return Config{
		Dir: "/", MaxSize: 1000, SpaceLeft: 250, AdminSpaceLeft: 50,
		SpaceLeftAction: Syslog, AdminSpaceLeftAction: Syslog, DiskFullAction: full, DiskErrorAction: Syslog,
		Alert:  func(string) error { return nil },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func TestLevels(t *testing.T) {
	cfg := config(Suspend)
	for _, row := range []struct {
		used int64
		full bool
		want Level
	}{
		{0, false, LevelOK}, {750, false, LevelOK}, {751, false, LevelSpaceLeft}, {950, false, LevelSpaceLeft},
		{951, false, LevelAdminSpaceLeft}, {2000, false, LevelAdminSpaceLeft}, {0, true, LevelFull},
	} {
		if got := cfg.LevelAt(row.used, row.full); got != row.want {
			t.Errorf("%d used of 1000, full %v: %s, want %s", row.used, row.full, got, row.want)
		}
	}
}

// step is the journal's state at one look and what must come of it.
type step struct {
	condition Condition
	bytes     int64
	want      []string // notes, alerts, seals and halts, in order
}

func TestWhatIsDoneAndWhen(t *testing.T) {
	suspend := []string{"note op=space-action why=disk-full action=suspend", "alert audit records are being lost: the journal's disk is full"}
	halt := []string{"note op=space-action why=disk-full action=halt", "note op=halt why=disk-full action=halt", "sealed", "halted"}
	for _, row := range []struct {
		name  string
		cfg   Config
		steps []step
	}{
		{"suspend acts once, and again after room returned", config(Suspend), []step{
			{Recording, 0, nil}, {Full, 0, suspend}, {Full, 0, nil}, {Recording, 0, nil}, {Full, 0, suspend}}},
		{"ignore does nothing", config(Ignore), []step{{Full, 0, nil}, {Recording, 0, nil}}},
		{"halt, once", config(Halt), []step{{Full, 0, halt}, {Full, 0, nil}}},
		{"levels on the way down only", config(Suspend), []step{
			{Recording, 800, []string{"note op=space-action why=space-left action=syslog", "alert the audit journal is running out of space (space-left)"}},
			{Recording, 800, nil},
			{Recording, 960, []string{"note op=space-action why=admin-space-left action=syslog", "alert the audit journal is almost out of space (admin-space-left)"}},
			{Recording, 800, nil}, {Recording, 10, nil}}},
		{"a failing disk has its own action", config(Halt), []step{
			{Failed, 0, []string{"note op=space-action why=disk-error action=syslog", "alert audit records are being lost: the journal's disk fails"}}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var did []string
			do := func(what string) { did = append(did, what) }
			fields := regexp.MustCompile(` (auid|pid|uid|ses)=\d+`)
			j := &journal{sealed: func() { do("sealed") }, noted: func(line string) {
				_, body, _ := strings.Cut(line, "): ")
				do("note " + fields.ReplaceAllString(strings.TrimSuffix(body, " res=success\n"), ""))
			}}
			row.cfg.Alert = func(text string) error { do("alert " + text); return nil }
			row.cfg.Halter = func(context.Context) error { do("halted"); return nil }
			g, err := New(row.cfg, j)
			if err != nil {
				t.Fatal(err)
			}
			for i, s := range row.steps {
				did = nil
				j.condition, j.bytes = s.condition, s.bytes
				g.look(t.Context(), time.Now())
				if diff := cmp.Diff(s.want, did); diff != "" {
					t.Errorf("step %d: -want +got\n%s", i, diff)
				}
			}
		})
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
		j := &journal{condition: Full, noted: func(string) {}, sealed: func() {}}
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

func TestTheJournalCanWakeTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &journal{noted: func(string) {}, sealed: func() {}}
		g, err := New(config(Suspend), j)
		if err != nil {
			t.Fatal(err)
		}
		ctx, stop := context.WithCancel(t.Context())
		done := make(chan error)
		go func() { done <- g.Run(ctx) }()
		synctest.Wait()
		j.condition = Full
		g.Changed()
		g.Changed()
		synctest.Wait() // no time passes
		if s := g.Space(); s.Condition != Full || s.Level != LevelFull || s.Action != Suspend {
			t.Errorf("after the journal called: %+v", s)
		}
		stop()
		<-done
	})
}

func TestConfigSaysAllThatIsWrong(t *testing.T) {
	err := (&Config{SpaceLeftAction: Halt, DiskFullAction: "explode"}).Validate()
	for _, want := range []string{"space-left-action", "admin-space-left-action", "disk-full-action", "disk-error-action", "do not ascend"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}
