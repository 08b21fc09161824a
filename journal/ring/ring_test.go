package ring

import (
	"bytes"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

const boot = "3f0c1f2e-1111-4222-8333-444455556666"

func openAt(t *testing.T, path string, size int) *Ring {
	t.Helper()
	r, err := Open(Config{Path: path, Size: size, BootID: boot})
	if err != nil {
		t.Fatal(err)
	}
	return r
}

// publish appends lines and publishes them with one commit.
func publish(r *Ring, lines ...string) {
	room := r.Room()
	for _, line := range lines {
		room = append(room, line...)
	}
	r.Publish(len(room), len(lines))
}

func TestLinesComeOutAsTheyWentIn(t *testing.T) {
	r := openAt(t, "", minSize)
	defer r.Unmap()
	if len(r.Pending()) != 0 {
		t.Fatal("a new ring has something pending")
	}
	publish(r, "one\n", "two\n")
	if got := string(r.Pending()); got != "one\ntwo\n" {
		t.Fatalf("pending %q", got)
	}
	r.Intent(1, 0, 4)
	r.Written(4, 1)
	if got := string(r.Pending()); got != "two\n" {
		t.Fatalf("pending %q", got)
	}
	want := Stats{Received: 2, Written: 1, Bytes: 4}
	if got := r.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	r.Close()
	if r.Drained() {
		t.Error("drained with a line pending")
	}
	r.Written(4, 1)
	if !r.Drained() {
		t.Error("closed and all written, but not drained")
	}
}

// A line that runs over the end of the data area is one slice for both sides.
func TestSlicesAreContiguousOverTheEnd(t *testing.T) {
	r := openAt(t, "", minSize)
	defer r.Unmap()
	line := strings.Repeat("x", 4999) + "\n" // does not divide the size
	for i := range 1000 {
		want := fmt.Sprintf("%06d%s", i, line)
		publish(r, want)
		if got := string(r.Pending()); got != want {
			t.Fatalf("line %d came out damaged", i)
		}
		r.Written(len(want), 1)
	}
}

func TestFullRingLeavesNoRoomUntilSomethingIsWritten(t *testing.T) {
	r := openAt(t, "", minSize)
	defer r.Unmap()
	line := strings.Repeat("y", 1023) + "\n"
	n := 0
	for ; cap(r.Room()) >= len(line); n++ {
		publish(r, line)
	}
	if n != minSize/len(line) {
		t.Errorf("%d lines of %d bytes fit into %d bytes", n, len(line), minSize)
	}
	r.Refuse(3, 17, 19)
	if n, first, last := r.Refused(); n != 3 || first != 17 || last != 19 {
		t.Errorf("refused %d, serials %d to %d", n, first, last)
	}
	space := r.Space(2 * len(line))
	select {
	case <-space:
		t.Error("a full ring announces space")
	default:
	}
	r.Written(2*len(line), 2)
	<-space
	r.Told(8, 3, 0)
	r.Settle(8)
	r.Refuse(1, 40, 40)
	if n, first, last := r.Refused(); n != 1 || first != 40 || last != 40 {
		t.Errorf("refused %d, serials %d to %d", n, first, last)
	}
}

func TestReplayGivesWhatWasNotOverwritten(t *testing.T) {
	r := openAt(t, "", minSize)
	defer r.Unmap()
	line := strings.Repeat("z", 99) + "\n"
	for range minSize / len(line) / 2 {
		publish(r, line)
		r.Written(len(line), 1)
	}
	got, ok := r.Replay(nil, 3*len(line))
	// Room may hand out as much as is free: only then is what lies behind gone.
	if !ok && cap(r.Room()) < minSize-3*len(line) {
		t.Error("nothing was overwritten, but replay refuses")
	}
	if string(got) != strings.Repeat(line, 3) {
		t.Error("replay gives other bytes")
	}
	if _, ok := r.Replay(nil, minSize); ok {
		t.Error("replay promises bytes that the producer may have overwritten")
	}
}

func TestSuccessorFindsEverything(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	r := openAt(t, path, minSize)
	publish(r, "one\n", "two\n", "three\n")
	r.Written(4, 1)
	r.Refuse(5, 7, 8)
	r.Intent(42, 4096, 4)
	r.Unmap()

	r = openAt(t, path, minSize)
	defer r.Unmap()
	if r.SetAside() != "" {
		t.Fatal(r.SetAside())
	}
	if segment, offset, n := r.Left(); segment != 42 || offset != 4096 || n != 4 {
		t.Errorf("left: segment %d offset %d, %d bytes", segment, offset, n)
	}
	if got := string(r.Pending()); got != "two\nthree\n" {
		t.Errorf("pending %q", got)
	}
	want := Stats{Received: 3, Written: 1, Refused: 5, Bytes: 10}
	if got := r.Stats(); got != want {
		t.Errorf("stats %+v, want %+v", got, want)
	}
	r.Written(0, 0)
	if _, _, n := r.Left(); n != 0 {
		t.Error("a settled write is still left")
	}
}

func TestUnfinishedBatchIsFound(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
	if err != nil {
		t.Fatal(err)
	}
	for i := range 5 {
		if _, err := unix.Write(pair[0], []byte{'m', byte('0' + i)}); err != nil {
			t.Fatal(err)
		}
	}
	r := openAt(t, path, minSize)
	n, err := r.Slots().Receive(pair[1], Batch)
	if n != 5 || err != nil {
		t.Fatalf("received %d: %v", n, err)
	}
	r.Slots().Take(2)
	publish(r, "m0\n", "m1\n")
	r.Unmap()

	for range 2 { // looking changes nothing
		r = openAt(t, path, minSize)
		from, to := r.Slots().Unfinished()
		if from != 2 || to != 5 || string(r.Slots().Message(2)) != "m2" || string(r.Slots().Message(4)) != "m4" {
			t.Fatalf("unfinished: messages %d to %d", from, to)
		}
		r.Unmap()
	}
	r = openAt(t, path, minSize)
	r.Slots().Take(5)
	r.Publish(0, 0)
	if from, to := r.Slots().Unfinished(); from != to {
		t.Errorf("unfinished after all was taken: %d to %d", from, to)
	}
	if _, err := r.Slots().Receive(pair[1], Batch); err != unix.EAGAIN {
		t.Errorf("an empty socket gives %v", err)
	}
	if from, to := r.Slots().Unfinished(); from != to {
		t.Errorf("unfinished without a message: %d to %d", from, to)
	}
	r.Unmap()
}

func TestOneProcessAtATime(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	r := openAt(t, path, minSize)
	defer r.Unmap()
	if _, err := Open(Config{Path: path, Size: minSize, BootID: boot}); !errors.Is(err, ErrInUse) {
		t.Errorf("second open: %v", err)
	}
}

func TestUnsafeFilesAreRefused(t *testing.T) {
	for _, row := range []struct {
		name    string
		prepare func(path string) error
		want    string
	}{
		{"symbolic link", func(p string) error { return os.Symlink("/tmp/elsewhere", p) }, "symbolic link"},
		{"readable by others", func(p string) error { return os.WriteFile(p, nil, 0o644) }, "mode is 0644"},
		{"directory", func(p string) error { return os.Mkdir(p, 0o700) }, "is a directory"},
		{"foreign owner", func(p string) error {
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Chown(p, 12345, 0))
		}, "belongs to uid 12345"},
		{"second name", func(p string) error {
			return errors.Join(os.WriteFile(p, nil, 0o600), os.Link(p, p+"2"))
		}, "second name"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ring")
			if err := row.prepare(path); err != nil {
				t.Fatal(err)
			}
			_, err := Open(Config{Path: path, Size: minSize, BootID: boot})
			if err == nil || !strings.Contains(err.Error(), row.want) || !strings.Contains(err.Error(), path) {
				t.Errorf("error %v, want one that says %q", err, row.want)
			}
		})
	}
}

// damage is one way in which a file does not deserve to be taken over.
func TestUnfitRingIsSetAsideAndKept(t *testing.T) {
	for _, row := range []struct {
		name   string
		damage func(c *control)
		want   string
	}{
		{"newer version", func(c *control) { c.version = version + 1 }, "version 3"},
		{"other boot", func(c *control) { c.boot[0] = 'x' }, "last started"},
		{"other magic", func(c *control) { c.magic[0] = 'x' }, "not a ring"},
		{"size beyond the file", func(c *control) { c.size *= 2 }, "data area"},
		{"tail beyond head", func(c *control) { c.consumed[1].tail = 1 << 40 }, "contradict"},
		{"more than fits", func(c *control) { c.produced[1].head = 1 << 40 }, "contradict"},
		{"batch from nowhere", func(c *control) { c.batch.Store(9) }, "batches"},
		{"too many taken", func(c *control) { c.produced[1].taken = 257 }, "257 messages"},
		{"intent beyond the lines", func(c *control) { c.consumed[1].intent.n = 1 << 30 }, "last write"},
		{"half a line", func(c *control) { c.produced[1].head-- }, "lines are damaged"},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ring")
			r := openAt(t, path, minSize)
			publish(r, "evidence\n")
			r.Written(0, 0)
			row.damage(r.control)
			r.Unmap()

			r = openAt(t, path, minSize)
			defer r.Unmap()
			if !strings.Contains(r.SetAside(), row.want) {
				t.Errorf("set aside: %q, want %q", r.SetAside(), row.want)
			}
			if len(r.Pending()) != 0 || r.Stats() != (Stats{}) {
				t.Error("the new ring is not empty")
			}
			kept, err := os.ReadFile(path + ".aside")
			if err != nil || !bytes.Contains(kept, []byte("evidence\n")) {
				t.Errorf("the damaged ring is not kept: %v", err)
			}
		})
	}
}

func TestTruncatedFileIsSetAside(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	r := openAt(t, path, minSize)
	publish(r, "evidence\n")
	r.Unmap()
	if err := os.Truncate(path, 5000); err != nil {
		t.Fatal(err)
	}
	r = openAt(t, path, minSize)
	defer r.Unmap()
	if !strings.Contains(r.SetAside(), "length is 5000") {
		t.Errorf("set aside: %q", r.SetAside())
	}
}

func TestOtherSizeWaitsUntilTheRingIsEmpty(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	r := openAt(t, path, minSize)
	publish(r, "one\n")
	r.Unmap()
	r = openAt(t, path, 2*minSize)
	if r.Size() != minSize || string(r.Pending()) != "one\n" {
		t.Errorf("size %d, pending %q", r.Size(), r.Pending())
	}
	r.Written(4, 1)
	r.Unmap()
	r = openAt(t, path, 2*minSize)
	defer r.Unmap()
	if r.Size() != 2*minSize || r.SetAside() != "" {
		t.Errorf("size %d, set aside %q", r.Size(), r.SetAside())
	}
}

func TestConfigNamesWhatIsWrong(t *testing.T) {
	for _, cfg := range []Config{{Size: 1}, {Size: minSize + 1}, {Size: 1 << 30}, {BootID: strings.Repeat("b", 65)}} {
		if cfg.Validate() == nil {
			t.Errorf("%+v is valid", cfg)
		}
	}
}

func TestHotPathAllocatesNothing(t *testing.T) {
	r := openAt(t, "", minSize)
	defer r.Unmap()
	line := []byte("type=EOE msg=audit(1709742929.678:2340): \n")
	if n := testing.AllocsPerRun(1000, func() {
		room := append(r.Room(), line...)
		r.Publish(len(room), 1)
		select {
		case <-r.Wake():
		default:
		}
		p := r.Pending()
		r.Intent(1, 2, len(p))
		r.Written(len(p), 1)
	}); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}

// BenchmarkPublishWrite is what one commit on each side costs, whatever the
// number of records in it.
func BenchmarkPublishWrite(b *testing.B) {
	r, err := Open(Config{Size: minSize, BootID: boot})
	if err != nil {
		b.Fatal(err)
	}
	defer r.Unmap()
	line := []byte("type=EOE msg=audit(1709742929.678:2340): \n")
	b.ReportAllocs()
	for b.Loop() {
		room := append(r.Room(), line...)
		r.Publish(len(room), 1)
		r.Written(len(r.Pending()), 1)
	}
}

// What a source said of where it stands counts once the consumer has come there;
// then it also counts what has been consumed since.
func TestPositionIsThatOfWhatWasConsumed(t *testing.T) {
	r, err := Open(Config{Size: minSize, BootID: boot})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	publish := func(lines int, at string) {
		room := r.Room()
		for range lines {
			room = append(room, "line\n"...)
		}
		if at != "" {
			r.At(at)
		}
		r.Publish(len(room), lines)
	}
	want := func(at string, beyond uint64) {
		t.Helper()
		if gotAt, got := r.Position(); gotAt != at || got != beyond {
			t.Errorf("position %q and %d records, want %q and %d", gotAt, got, at, beyond)
		}
	}
	want("", 0)
	publish(3, "a")
	want("", 0) // nothing of it was consumed
	r.Written(10, 2)
	want("", 0)
	r.Written(5, 1)
	want("a", 0)
	publish(2, "")
	publish(2, "b")
	r.Written(5, 1)
	want("a", 1)
	publish(2, "c")
	r.Written(10, 2)
	want("a", 3)
	r.Written(5, 1)
	want("b", 0)
	r.Discard(5, 1, 0, 0)
	want("b", 1)
	r.Written(5, 1)
	want("c", 0)
	publish(0, "d") // the source moved on, and there was nothing there
	want("d", 0)
}

// What a sync was for that nobody knows to have succeeded is pending once more for
// who comes after, unless that is not all there is to it any more.
func TestWhatASyncWasForIsTakenBack(t *testing.T) {
	const size = 4 << 20
	for _, row := range []struct {
		name  string
		after func(r *Ring)
		want  string
	}{
		{"as it was", func(r *Ring) {}, "two\nthree\nfour\n"},
		{"more is pending", func(r *Ring) { publish(r, "five\n") }, "two\nthree\nfour\nfive\n"},
		{"some was discarded", func(r *Ring) { publish(r, "five\n"); r.Discard(5, 1, 1, 1) }, ""},
		{"it may be overwritten", func(r *Ring) {
			for range 13 {
				publish(r, strings.Repeat("x", 255<<10)+"\n")
			}
		}, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "ring")
			r := openAt(t, path, size)
			publish(r, "one\n")
			r.Written(4, 1)
			r.Syncing(Sync{Segment: 7, Offset: 4, At: 8, Place: r.Place()})
			publish(r, "two\nthree\nfour\n")
			r.Written(10, 2)
			r.Written(5, 1)
			row.after(r)
			before := r.Stats()
			r.Unmap()

			r = openAt(t, path, size)
			defer r.Unmap()
			s := r.Unsynced()
			if s.Segment != 7 || s.Offset != 4 || s.At != 8 {
				t.Fatalf("under way: %+v", s)
			}
			pending := string(r.Pending())
			want, stats := pending, before
			if row.want != "" {
				want, stats.Bytes, stats.Written = row.want, before.Bytes+15, before.Written-3
			}
			if took := r.TakeBack(s.Place); took != (row.want != "") {
				t.Errorf("taken back: %v", took)
			}
			if got := string(r.Pending()); got != want || r.Stats() != stats {
				t.Errorf("pending %.40q, want %.40q: %+v", got, want, r.Stats())
			}
			r.Synced()
			if r.Unsynced() != (Sync{}) {
				t.Error("it is still under way")
			}
		})
	}
}
