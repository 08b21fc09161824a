package diskguard

import (
	"context"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"
)

// failing is a Failure in a boot, whose steps are written down.
func failing(t *testing.T, dir, boot string, cfg FailureConfig) (f *Failure, did *[]string) {
	t.Helper()
	did = new([]string)
	do := func(what string) func(context.Context) error {
		return func(context.Context) error { *did = append(*did, what); return nil }
	}
	if cfg.Wait == 0 {
		cfg.Wait = 5 * time.Minute
	}
	f = NewFailure(cfg, Means{
		StateDir: dir, NoLogin: filepath.Join(dir, "nologin"), Halter: do("halted"), Rescuer: do("rescued"),
		Tell: func(text string) { *did = append(*did, "told") },
		Decided: func(_ time.Time, action Action, because, _ string) {
			*did = append(*did, string(action)+"("+because+")")
		},
	})
	f.memory.boot = boot
	t.Cleanup(func() { f.Close() })
	return f, did
}

// Recording that is not brought back in time has its action, once; what is brought
// back has none.
func TestWhatIsDoneWhenRecordingIsNotBroughtBack(t *testing.T) {
	for _, row := range []struct {
		cfg  FailureConfig
		want string
	}{
		{FailureConfig{Action: Banner}, ""},
		{FailureConfig{Action: NoLogin}, "nologin(run-gone) told"},
		{FailureConfig{Action: Single}, "single(run-gone) told rescued"},
		{FailureConfig{Action: Halt}, "halt(run-gone) told halted"},
		{FailureConfig{Action: Halt, Enforce: Report}, "halt(run-gone) told"},
	} {
		dir := t.TempDir()
		f, did := failing(t, dir, "first", row.cfg)
		began := time.Unix(1709742929, 0)
		look := func(second int, since time.Time) {
			f.See(t.Context(), began.Add(time.Duration(second)*time.Second), since, "run-gone")
		}
		look(0, time.Time{})
		look(1, began)
		look(200, began)
		look(201, time.Time{}) // brought back
		again := began.Add(210 * time.Second)
		look(210, again)
		look(509, again)
		if len(*did) > 0 {
			t.Errorf("%+v: too early: %v", row.cfg, *did)
		}
		for s := 510; s < 520; s++ {
			look(s, again)
		}
		if got := strings.Join(*did, " "); got != row.want {
			t.Errorf("%+v: %q, want %q", row.cfg, got, row.want)
		}
		_, err := os.Stat(filepath.Join(dir, "nologin"))
		if (err == nil) != (row.cfg.Action == NoLogin) {
			t.Errorf("%+v: nologin: %v", row.cfg, err)
		}
		look(600, time.Time{})
		if _, err := os.Stat(filepath.Join(dir, "nologin")); err == nil {
			t.Errorf("%+v: nobody may log in, though recording works", row.cfg)
		}
	}
}

// A host that was halted because nobody recorded, and on which nobody records when
// it starts again, is not halted once more.
func TestAFailureIsNoHaltLoop(t *testing.T) {
	dir := t.TempDir()
	now := time.Unix(1709742929, 0)
	for _, row := range []struct{ boot, want string }{{"first", "halt(run-failed) told halted"}, {"second", "single(run-failed) told rescued"}, {"third", "single(run-failed) told rescued"}} {
		f, did := failing(t, dir, row.boot, FailureConfig{Action: Halt})
		f.See(t.Context(), now, now.Add(-time.Hour), "run-failed")
		if got := strings.Join(*did, " "); got != row.want {
			t.Errorf("%s boot: %q, want %q", row.boot, got, row.want)
		}
		f.Close()
	}
}
