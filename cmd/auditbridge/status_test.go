package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/config"
	"auditbridge/forward"
	"auditbridge/internal/control"
	"auditbridge/internal/status"
	"auditbridge/journal"
	"auditbridge/journal/ring"

	"github.com/google/go-cmp/cmp"
)

// statusConfig is a configuration with one server and everything in a
// directory of the test's.
func statusConfig(t *testing.T) *config.Config {
	t.Helper()
	dir := t.TempDir()
	for _, name := range []string{"journal", "state", "run"} {
		if err := os.Mkdir(filepath.Join(dir, name), 0o700); err != nil {
			t.Fatal(err)
		}
	}
	file := filepath.Join(dir, "auditbridge.toml")
	text := fmt.Sprintf("journal-dir = %q\nstate-dir = %q\nrun-dir = %q\nship-user = \"nobody\"\n[[remote-logging-server]]\nname = \"siem\"\naddress = \"127.0.0.1\"\nprotocol = \"tcp\"\n",
		filepath.Join(dir, "journal"), filepath.Join(dir, "state"), filepath.Join(dir, "run"))
	if err := os.WriteFile(file, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	c, err := config.Load(file)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// deadJournal leaves a journal with notes and a checkpoint, and nobody who
// writes it, and returns its id and durable mark.
func deadJournal(t *testing.T, c *config.Config) (journal.ID, auditbridge.Sequence) {
	t.Helper()
	cfg, err := c.Journal()
	if err != nil {
		t.Fatal(err)
	}
	r, err := ring.Open(ring.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	j, err := journal.Open(cfg, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- j.Run(ctx) }()
	for range 10 {
		j.Note(auditbridge.Note{Type: auditbridge.TypeDaemonConfig, Op: "test"})
	}
	if err := j.Checkpoint(ctx); err != nil {
		t.Fatal(err)
	}
	id, durable := j.ID(), j.Mark().Durable()
	stop()
	if err := <-ended; err != nil && ctx.Err() == nil {
		t.Fatal(err)
	}
	if err := j.Close(); err != nil {
		t.Fatal(err)
	}
	return id, durable
}

func TestStatusReadsTheJournalWhenRunIsDead(t *testing.T) {
	beside(t)
	c := statusConfig(t)
	id, durable := deadJournal(t, c)
	cursor, err := journal.OpenCursor(forward.CursorFile(c.StateDir, "siem"))
	if err != nil {
		t.Fatal(err)
	}
	if err := cursor.Store(journal.Cursor{Journal: id, At: durable - 3, Delivered: 5, Excluded: 2}); err != nil {
		t.Fatal(err)
	}
	cursor.Close()

	s, err := currentStatus(t.Context(), c)
	if err != nil {
		t.Fatal(err)
	}
	if s.Running || s.State != status.Impaired || s.ExitCode() != 3 || s.SignOfLife.IsZero() {
		t.Errorf("a dead run is judged %+v", s)
	}
	if s.Durable < uint64(durable) || s.Checkpoint.Sequence == 0 || s.Checkpoint.Time.IsZero() {
		t.Errorf("durable %d (at least %d), checkpoint %+v", s.Durable, durable, s.Checkpoint)
	}
	if s.Disk.Level != "ok" || s.Disk.UsedBytes == 0 || s.Disk.FreeBytes == 0 {
		t.Errorf("disk %+v", s.Disk)
	}
	want := status.Destination{Name: "siem", Protocol: "tcp", Promise: "at least once", Delivered: 5, Excluded: 2, Pending: s.Durable - uint64(durable) + 3}
	if diff := cmp.Diff([]status.Destination{want}, s.Destinations); diff != "" {
		t.Errorf("destinations: -want +got\n%s", diff)
	}
}

// The books of a run that ended in order are still known; those of another
// process than the journal's last are not taken for them.
func TestStatusKnowsTheLastBooks(t *testing.T) {
	beside(t)
	for _, row := range []struct {
		name string
		pid  int
		want uint64
	}{{"of the journal's last writer", os.Getpid(), 77}, {"of another", 1, 0}} {
		t.Run(row.name, func(t *testing.T) {
			c := statusConfig(t)
			deadJournal(t, c)
			text, err := json.Marshal(status.Status{PID: row.pid, Running: true, Answering: true, Received: 77, Stored: 77,
				Disk: status.Disk{UsedBytes: 1 << 40, Action: "syslog"}, Kernel: &status.Kernel{Enabled: 1}})
			if err != nil {
				t.Fatal(err)
			}
			if err := os.WriteFile(filepath.Join(c.RunDir, lastStatusFile), text, 0o600); err != nil {
				t.Fatal(err)
			}
			s, err := currentStatus(t.Context(), c)
			if err != nil || s.Received != row.want || s.Running || s.ExitCode() != 3 || len(s.Destinations) != 1 {
				t.Errorf("%+v, %v", s, err)
			}
			if s.Disk.UsedBytes >= 1<<40 || s.Disk.Action != "" || s.Kernel != nil {
				t.Errorf("the past is told as the present: %+v %+v", s.Disk, s.Kernel)
			}
		})
	}
}

func TestStatusAsksRun(t *testing.T) {
	beside(t)
	c := statusConfig(t)
	tracker := status.NewTracker(func() status.Status {
		return status.Status{Running: true, Answering: true, Recording: status.RecordingOK, Received: 7, Stored: 7, Disk: status.Disk{Level: "ok"}}
	})
	server, err := control.Listen(c.ControlSocket(), map[string]control.Handler{askStatus: answerStatus(tracker)}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error)
	go func() { ended <- server.Run(ctx) }()
	s, err := currentStatus(t.Context(), c)
	if err != nil || s.State != status.OK || s.Received != 7 || !s.Balanced || s.ExitCode() != 0 {
		t.Errorf("%+v, %v", s, err)
	}
	text, err := json.Marshal(s)
	if err != nil {
		t.Fatal(err)
	}
	var keys map[string]any
	if err := json.Unmarshal(text, &keys); err != nil {
		t.Fatal(err)
	}
	for _, key := range []string{"state", "received", "stored", "refused", "kernel_lost", "gaps", "balanced", "destinations", "disk", "checkpoint", "alarms"} {
		if v, there := keys[key]; !there || v == nil {
			t.Errorf("%s is missing in %s", key, text)
		}
	}
	stop()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

func TestStatusOfARunThatHangs(t *testing.T) {
	beside(t)
	c := statusConfig(t)
	deadJournal(t, c)
	l, err := net.Listen("unix", c.ControlSocket()) // it never accepts
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	s, err := currentStatus(t.Context(), c)
	if err != nil || s.ExitCode() != 4 || s.Losing != status.LosingUnknown {
		t.Errorf("exit %d, losing %s, %v", s.ExitCode(), s.Losing, err)
	}
}
