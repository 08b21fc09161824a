package diskguard

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
	"auditbridge/journal/ring"

	"golang.org/x/sys/unix"
)

// recorder is a journal on a small disk, a guard that watches it, and a source
// that feeds it.
type recorder struct {
	ring    *ring.Ring
	journal *journal.Journal
	guard   *Guard
	serial  uint32 // of the last record fed
	stop    func() (refused int, err error)
}

// record starts all of it in dir. action is what is done when the disk is full.
func record(dir string, cfg Config) (*recorder, error) {
	for _, name := range []string{"journal", "state"} {
		if err := os.MkdirAll(filepath.Join(dir, name), 0o700); err != nil {
			return nil, err
		}
	}
	r, err := ring.Open(ring.Config{Size: 4 << 20})
	if err != nil {
		return nil, err
	}
	var guard atomic.Pointer[Guard]
	j, err := journal.Open(journal.Config{
		Dir: filepath.Join(dir, "journal"), StateDir: filepath.Join(dir, "state"), GroupID: -1, Source: "test",
		OnState: func(journal.State) {
			if g := guard.Load(); g != nil {
				g.Changed()
			}
		},
	}, r)
	if err != nil {
		return nil, err
	}
	cfg.Dir = filepath.Join(dir, "journal")
	g, err := New(cfg, j)
	if err != nil {
		return nil, err
	}
	guard.Store(g)
	ctx, cancel := context.WithCancel(context.Background())
	recorded, guarded := make(chan error, 1), make(chan error, 1)
	go func() { recorded <- j.Run(ctx) }()
	go func() { guarded <- g.Run(ctx) }()
	return &recorder{ring: r, journal: j, guard: g, stop: func() (int, error) {
		r.Close() // the journal ends when it has dealt with all the ring holds
		err := <-recorded
		cancel()
		err = errors.Join(err, <-guarded)
		refused := int(j.Stats().Refused)
		return refused, errors.Join(err, j.Close())
	}}, nil
}

// feed hands n records over, waiting for room: none is refused by the ring.
func (r *recorder) feed(n int) {
	for range n {
		r.serial++
		line := fmt.Appendf(nil, "type=USER msg=audit(1709742929.678:%d): pid=1 uid=0 auid=0 ses=1 msg='%s'\n", r.serial, strings.Repeat("x", 900))
		for len(line) > cap(r.ring.Room()) {
			<-r.ring.Space(len(line))
		}
		room := append(r.ring.Room(), line...)
		r.ring.Publish(len(room), 1)
	}
}

// smallDisk mounts a new file system of about 48 MiB.
func smallDisk(t *testing.T, kind string) string {
	t.Helper()
	dir := filepath.Join(t.TempDir(), "disk")
	if err := os.Mkdir(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	mount := []string{"mount", "-t", "tmpfs", "-o", "size=48m", "auditbridge-test", dir}
	if kind != "tmpfs" {
		image := filepath.Join(t.TempDir(), "image")
		size := map[string]int64{"ext4": 48 << 20, "xfs": 300 << 20}[kind] // mkfs.xfs makes none smaller
		if err := os.WriteFile(image, nil, 0o600); err != nil {
			t.Fatal(err)
		}
		if err := os.Truncate(image, size); err != nil {
			t.Fatal(err)
		}
		command(t, "mkfs."+kind, "-q", image)
		mount = []string{"mount", "-o", "loop", image, dir}
	}
	command(t, mount...)
	t.Cleanup(func() { command(t, "umount", "--lazy", dir) })
	if err := os.Chmod(dir, 0o700); err != nil {
		t.Fatal(err)
	}
	return dir
}

func command(t *testing.T, args ...string) {
	t.Helper()
	if out, err := exec.Command(args[0], args[1:]...).CombinedOutput(); err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
}

// fill takes all the space there is, as another process would.
func fill(dir string) (name string, err error) {
	name = filepath.Join(dir, "filler")
	f, err := os.Create(name)
	if err != nil {
		return "", err
	}
	defer f.Close()
	for block := make([]byte, 1<<20); len(block) > 0; {
		if _, err = f.Write(block); err != nil {
			block = block[:len(block)/2]
		}
	}
	if !errors.Is(err, unix.ENOSPC) {
		return "", fmt.Errorf("fill the disk: %w", err)
	}
	return name, nil
}

// until polls, feeding, until what is waited for holds.
func (r *recorder) until(what string, holds func() bool) error {
	deadline := time.Now().Add(2 * time.Minute)
	for !holds() {
		if time.Now().After(deadline) {
			return fmt.Errorf("waited in vain for: %s; %+v, %+v", what, r.journal.Stats(), r.guard.Space())
		}
		r.feed(100)
		time.Sleep(time.Millisecond)
	}
	return nil
}

// lines reads a journal as far as it is durable.
func lines(t *testing.T, dir string) (all [][]byte) {
	t.Helper()
	r, err := journal.OpenReader(filepath.Join(dir, "journal"), 0, journal.ReaderOptions{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	for {
		_, line, err := r.Next()
		if errors.Is(err, io.EOF) {
			return all
		}
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, bytes.Clone(line))
	}
}

// records counts the fed ones and holds them to their order.
func records(t *testing.T, all [][]byte) (n int, last uint32) {
	t.Helper()
	for _, line := range all {
		h, ok := auditbridge.ParseHeader(line)
		if !ok {
			t.Fatalf("not a record: %.80q", line)
		}
		if h.ID.Serial >= auditbridge.FirstNoteSerial {
			continue
		}
		if h.ID.Serial <= last {
			t.Fatalf("serial %d after %d", h.ID.Serial, last)
		}
		n, last = n+1, h.ID.Serial
	}
	return n, last
}

func noted(all [][]byte, want string) bool {
	for _, line := range all {
		if bytes.Contains(line, []byte(want)) {
			return true
		}
	}
	return false
}

// Another process fills the disk: intake goes on draining and counting, and
// recording resumes by itself when space returns. Every record fed is stored or
// counted.
func TestSuspendOnAFullDisk(t *testing.T) {
	for _, kind := range []string{"tmpfs", "ext4", "xfs"} {
		t.Run(kind, func(t *testing.T) { suspendOnAFullDisk(t, smallDisk(t, kind)) })
	}
}

func suspendOnAFullDisk(t *testing.T, dir string) {
	cfg := config(Suspend)
	var alerts atomic.Int32
	cfg.Alert = func(string) error { alerts.Add(1); return nil }
	cfg.MaxSize, cfg.SpaceLeft, cfg.AdminSpaceLeft = 1<<40, Threshold{Bytes: 1 << 20}, Threshold{Bytes: 1 << 10}
	r, err := record(dir, cfg)
	if err != nil {
		t.Fatal(err)
	}
	r.feed(1000)
	filler, err := fill(dir)
	if err != nil {
		t.Fatal(err)
	}
	if err := r.until("the guard sees a full disk", func() bool { return r.guard.Space().Level == LevelFull }); err != nil {
		t.Fatal(err)
	}
	if err := r.until("records are refused", func() bool { return r.journal.Stats().Refused > 0 }); err != nil {
		t.Fatal(err)
	}
	if alerts.Load() == 0 || r.guard.Space().Action != Suspend {
		t.Errorf("%d alerts, %+v", alerts.Load(), r.guard.Space())
	}
	if err := os.Remove(filler); err != nil {
		t.Fatal(err)
	}
	if err := r.until("recording resumes", func() bool { return r.guard.Space().Level == LevelOK }); err != nil {
		t.Fatal(err)
	}
	fed := int(r.serial)
	refused, err := r.stop()
	if err != nil {
		t.Fatal(err)
	}
	all := lines(t, dir)
	if stored, _ := records(t, all); stored+refused != fed {
		t.Errorf("fed %d = stored %d + refused %d does not balance: %d", fed, stored, refused, fed-stored-refused)
	}
	for _, want := range []string{"op=disk-full", "op=space-action", "why=disk-full action=suspend", "op=refused"} {
		if !noted(all, want) {
			t.Errorf("%s is not on record", want)
		}
	}
}

// fillAndHalt is process 1 of a namespace whose journal's disk is filled.
func fillAndHalt(dir string) error {
	cfg := config(Halt)
	cfg.MaxSize, cfg.SpaceLeft, cfg.AdminSpaceLeft = 1<<40, Threshold{Bytes: 1 << 20}, Threshold{Bytes: 1 << 10}
	r, err := record(dir, cfg)
	if err != nil {
		return err
	}
	if _, err := fill(dir); err != nil {
		return err
	}
	return r.until("the host halts", func() bool { return false })
}

// disk-full-action = "halt" on a disk that another process fills: everything
// recorded before the disk was full stands in the journal, in order and
// durable, and so does that the host was halted.
func TestHaltOnAFullDisk(t *testing.T) {
	for _, kind := range []string{"tmpfs", "ext4"} {
		t.Run(kind, func(t *testing.T) { haltOnAFullDisk(t, smallDisk(t, kind)) })
	}
}

func haltOnAFullDisk(t *testing.T, dir string) {
	inNamespace(t, "disk="+dir)
	all := lines(t, dir)
	n, last := records(t, all)
	if n == 0 || int(last) != n {
		t.Errorf("%d records, the last has serial %d: one before the halt is missing", n, last)
	}
	for _, want := range []string{"op=disk-full", "op=halt"} {
		if !noted(all, want) {
			t.Errorf("%s is not on record", want)
		}
	}
	if last := all[len(all)-1]; !bytes.Contains(last, []byte("op=block")) || !bytes.Contains(last, []byte(" sig=")) {
		t.Errorf("the last line is no checkpoint: %.200q", last)
	}
}
