package diskguard

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
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
		Dir: "/", MaxSize: 1000, SpaceLeft: Threshold{Percent: 25}, AdminSpaceLeft: Threshold{Bytes: 50},
		SpaceLeftAction: Syslog, AdminSpaceLeftAction: Syslog, DiskFullAction: full, DiskErrorAction: Syslog,
		Alert:  func(string) error { return nil },
		Logger: slog.New(slog.NewTextHandler(io.Discard, nil)),
	}
}

func TestLevels(t *testing.T) {
	const large = 1 << 40 // a disk that does not matter
	for _, row := range []struct {
		name string
		room Room
		full bool
		want Level
		free int64
	}{
		{"nothing used", Room{0, large, large}, false, LevelOK, 1000},
		{"25% left", Room{750, large, large}, false, LevelOK, 250},
		{"less than 25%", Room{751, large, large}, false, LevelSpaceLeft, 249},
		{"50 bytes left", Room{950, large, large}, false, LevelSpaceLeft, 50},
		{"less than 50", Room{951, large, large}, false, LevelAdminSpaceLeft, 49},
		{"more than max-size", Room{2000, large, large}, false, LevelAdminSpaceLeft, 0},
		{"could not be extended", Room{0, large, large}, true, LevelFull, 1000},
		{"the disk does not say", Room{700, 0, 0}, false, LevelOK, 300},

		{"others' files on a disk larger than max-size do not count", Room{100, 2000, 10}, false, LevelOK, 10},
		{"max-size is as large as the disk", Room{100, 1000, 10}, false, LevelOK, 10},
		{"a disk smaller than max-size: 25% of it", Room{150, 200, 50}, false, LevelOK, 50},
		{"less than 25% of it", Room{100, 400, 99}, false, LevelSpaceLeft, 99},
		{"less than 50 bytes of it", Room{100, 400, 49}, false, LevelAdminSpaceLeft, 49},
		{"used up to max-size although the disk has room", Room{980, 999, 900}, false, LevelAdminSpaceLeft, 20},
	} {
		cfg := config(Suspend)
		if got, free := cfg.LevelAt(row.room, row.full), cfg.Free(row.room); got != row.want || free != row.free {
			t.Errorf("%s: %s with %d free, want %s with %d", row.name, got, free, row.want, row.free)
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

// A journal whose max-size is more than its disk is warned of before the disk
// is full, by shares of the disk.
func TestASmallDiskWarnsBeforeItIsFull(t *testing.T) {
	dir := smallDisk(t, "tmpfs") // 48 MiB
	cfg := config(Suspend)
	cfg.Dir, cfg.MaxSize, cfg.SpaceLeft, cfg.AdminSpaceLeft = dir, 10<<30, Threshold{Percent: 25}, Threshold{Percent: 5}
	g, err := New(cfg, &fake{noted: func(string) {}})
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
