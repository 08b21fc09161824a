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

	"auditbridge/journal"

	"github.com/google/go-cmp/cmp"
)

func (j *fake) Checkpoint(ctx context.Context) error {
	j.sealed()
	return ctx.Err()
}

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
	state journal.State
	bytes int64
	want  []string // notes, alerts, seals and halts, in order
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
			{journal.StateOK, 0, nil}, {journal.StateFull, 0, suspend}, {journal.StateFull, 0, nil}, {journal.StateOK, 0, nil}, {journal.StateFull, 0, suspend}}},
		{"ignore does nothing", config(Ignore), []step{{journal.StateFull, 0, nil}, {journal.StateOK, 0, nil}}},
		{"halt, once", config(Halt), []step{{journal.StateFull, 0, halt}, {journal.StateFull, 0, nil}}},
		{"levels on the way down only", config(Suspend), []step{
			{journal.StateOK, 800, []string{"note op=space-action why=space-left action=syslog", "alert the audit journal is running out of space (space-left)"}},
			{journal.StateOK, 800, nil},
			{journal.StateOK, 960, []string{"note op=space-action why=admin-space-left action=syslog", "alert the audit journal is almost out of space (admin-space-left)"}},
			{journal.StateOK, 800, nil}, {journal.StateOK, 10, nil}}},
		{"a failing disk has its own action", config(Halt), []step{
			{journal.StateFailed, 0, []string{"note op=space-action why=disk-error action=syslog", "alert audit records are being lost: the journal's disk fails"}}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var did []string
			do := func(what string) { did = append(did, what) }
			fields := regexp.MustCompile(` (auid|pid|uid|ses)=\d+`)
			j := &fake{sealed: func() { do("sealed") }, noted: func(line string) {
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
				j.bytes = s.bytes
				j.enters(s.state)
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
		j := &fake{noted: func(string) {}, sealed: func() {}}
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

func TestTheJournalCanWakeTheGuard(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		j := &fake{noted: func(string) {}, sealed: func() {}}
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
	err := (&Config{SpaceLeftAction: Halt, DiskFullAction: "explode"}).Validate()
	for _, want := range []string{"space-left-action", "admin-space-left-action", "disk-full-action", "disk-error-action", "do not ascend"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("%q is missing in %v", want, err)
		}
	}
}
