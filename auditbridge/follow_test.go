package auditbridge

import (
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditbridge/journal/ring"
)

// following is a log that is written to, a Follower that is driven step by step,
// and what a journal would store of it.
type following struct {
	t      testing.TB
	log    string // its path
	writer *os.File
	held   []*os.File // so that no inode is given again within one tick of the clock
	n      int        // lines written

	ring   *ring.Ring
	f      *Follower
	stored []string
	trail  Trail // of what is stored
	gaps   []string
}

func follow(t testing.TB) *following {
	t.Helper()
	w := &following{t: t, log: filepath.Join(t.TempDir(), "audit.log")}
	t.Cleanup(w.close)
	w.openRing()
	w.start()
	return w
}

func (w *following) openRing() {
	var err error
	if w.ring, err = ring.Open(ring.Config{Size: 256 << 10}); err != nil {
		w.t.Fatal(err)
	}
}

func (w *following) start() {
	w.t.Helper()
	var err error
	if w.f, err = OpenFollower(FollowerConfig{Path: w.log, Note: func(n Note) { w.gaps = append(w.gaps, n.Fields[1].Value) }}, w.ring); err != nil {
		w.t.Fatal(err)
	}
	w.f.room = func() bool { return false } // a full ring ends a step
	w.f.Resume(w.trail)
}

func (w *following) close() {
	w.stop()
	w.ring.Unmap()
	for _, file := range w.held {
		file.Close()
	}
}

func (w *following) stop() {
	if w.f.from != nil {
		w.f.from.Close()
	}
}

// look lets the follower take all there is, and the journal store it.
func (w *following) look() (err error) {
	for more := true; more; {
		before := w.ring.Stats().Received
		more, err = w.f.step()
		w.store(1 << 30)
		more = more && err == nil || w.ring.Stats().Received > before
	}
	return err
}

// store takes up to n bytes out of the ring as the journal does, and ends a block.
func (w *following) store(n int) {
	for n > 0 {
		pending := w.ring.Pending()
		pending = pending[:strings.LastIndexByte(string(pending[:min(n, len(pending))]), '\n')+1]
		if len(pending) == 0 {
			break
		}
		for line := range strings.Lines(string(pending)) {
			w.stored = append(w.stored, strings.TrimSuffix(line, "\n"))
			w.trail.Lines = append(w.trail.Lines, SumLine([]byte(strings.TrimSuffix(line, "\n"))))
		}
		n -= len(pending)
		w.ring.Written(len(pending), strings.Count(string(pending), "\n"))
	}
	if at, beyond := w.ring.Position(); at != "" && int(beyond) <= len(w.stored) {
		w.trail.Places = append(w.trail.Places, Place{at, len(w.stored) - int(beyond)})
	}
}

// killed starts another process: what is in the ring is still there.
func (w *following) killed() {
	w.stop()
	unwritten := 0
	w.ring.EachUnwritten(func(lines []byte) {
		for line := range strings.Lines(string(lines)) {
			w.trail.Lines = append(w.trail.Lines, SumLine([]byte(strings.TrimSuffix(line, "\n"))))
			unwritten++
		}
	})
	w.start()
	w.trail.Lines = w.trail.Lines[:len(w.trail.Lines)-unwritten]
}

// powerLost starts another process after what had not become durable is gone: the
// ring, and what is stored behind the first n lines.
func (w *following) powerLost(n int) {
	w.stop()
	w.stored, w.trail.Lines = w.stored[:n], w.trail.Lines[:n]
	w.trail.Places = slices.DeleteFunc(w.trail.Places, func(p Place) bool { return p.Line > n })
	w.ring.Unmap()
	w.openRing()
	w.start()
}

func (w *following) create() {
	w.t.Helper()
	var err error
	if w.writer, err = os.OpenFile(w.log, os.O_CREATE|os.O_WRONLY|os.O_APPEND, 0o600); err != nil {
		w.t.Fatal(err)
	}
	w.held = append(w.held, w.writer)
}

// write writes n more lines.
func (w *following) write(n int) {
	w.t.Helper()
	var b strings.Builder
	for range n {
		w.n++
		b.WriteString(numberedLine(w.n) + "\n")
	}
	if _, err := w.writer.WriteString(b.String()); err != nil {
		w.t.Fatal(err)
	}
}

func numberedLine(n int) string {
	return fmt.Sprintf("type=USER msg=audit(1709742929.678:%d): pid=1 msg='op=x'", n)
}

// rotate does what auditd does: the oldest of keep goes, the others and then the
// log itself are renamed, and another is written to.
func (w *following) rotate(keep int) {
	w.t.Helper()
	w.renameAll(keep)
	w.create()
}

func (w *following) shift(keep int) {
	os.Remove(fmt.Sprintf("%s.%d", w.log, keep))
	for i := keep - 1; i > 0; i-- {
		os.Rename(fmt.Sprintf("%s.%d", w.log, i), fmt.Sprintf("%s.%d", w.log, i+1))
	}
}

func (w *following) renameAll(keep int) {
	w.shift(keep)
	if err := os.Rename(w.log, w.log+".1"); err != nil {
		w.t.Fatal(err)
	}
}

// copyTruncate does what logrotate does when told so.
func (w *following) copyTruncate() {
	w.t.Helper()
	text, err := os.ReadFile(w.log)
	if err != nil {
		w.t.Fatal(err)
	}
	w.shift(3)
	copied, err := os.Create(w.log + ".1")
	if err == nil {
		_, err = copied.Write(text)
	}
	if err != nil {
		w.t.Fatal(err)
	}
	w.held = append(w.held, copied)
	w.truncate()
}

func (w *following) truncate() {
	w.t.Helper()
	if err := os.Truncate(w.log, 0); err != nil {
		w.t.Fatal(err)
	}
}

func (w *following) lines(from, to int) (all []string) {
	for n := from; n <= to; n++ {
		all = append(all, numberedLine(n))
	}
	return all
}

// Killed before a block line named a place, in the middle of what was read first: the
// log is known by the line it begins with, though it was rotated since.
func TestFollowerKilledBeforeItsFirstPlace(t *testing.T) {
	for _, rotated := range []bool{false, true} {
		w := follow(t)
		w.create()
		w.write(100)
		for len(w.ring.Pending()) == 0 {
			if _, err := w.f.step(); err != nil {
				t.Fatal(err)
			}
		}
		w.store(1000)
		if len(w.trail.Places) > 0 || len(w.stored) == 0 {
			t.Fatalf("%d lines are stored, and places %v", len(w.stored), w.trail.Places)
		}
		if rotated {
			w.rotate(5)
		}
		w.write(10)
		w.powerLost(len(w.stored))
		if err := w.look(); err != nil {
			t.Fatal(err)
		}
		if !slices.Equal(w.stored, w.lines(1, 110)) {
			t.Errorf("rotated: %v; %d lines are stored: %q … %q", rotated, len(w.stored), w.stored[0], w.stored[len(w.stored)-1])
		}
	}
}

// Whatever is done to the log between two looks, and whether or not it is done
// while nobody looks, each line is stored once and in order. What cannot be had any
// more is a gap on record, and only that is.
func TestFollowerStoresEachLineOnce(t *testing.T) {
	for _, row := range []struct {
		name string
		does func(w *following)
		lost [2]int // the lines that nobody can have: 11 to 20 were written and not read
		gaps string
	}{
		{"nothing", func(w *following) {}, [2]int{}, ""},
		{"rotation", func(w *following) { w.rotate(5); w.write(10) }, [2]int{}, ""},
		{"rotation, and nothing written since", func(w *following) { w.rotate(5) }, [2]int{}, ""},
		{"several rotations", func(w *following) {
			for range 4 {
				w.rotate(5)
				w.write(10)
			}
		}, [2]int{}, ""},
		{"a rotation that leaves an empty log behind", func(w *following) { w.rotate(5); w.rotate(5); w.write(10) }, [2]int{}, ""},
		{"rotation to a date", func(w *following) {
			os.Rename(w.log, w.log+"-20240131")
			w.create()
			w.write(10)
		}, [2]int{}, ""},
		{"renamed, and written to on", func(w *following) { w.renameAll(5); w.write(10) }, [2]int{}, ""},
		{"written to on after there is a new one", func(w *following) {
			old := w.writer
			w.renameAll(5)
			w.create()
			w.writer = old
			w.look() // the new one is empty yet
			w.write(10)
			w.create()
			w.write(10)
		}, [2]int{}, ""},
		{"copied and cut", func(w *following) { w.copyTruncate(); w.write(3) }, [2]int{}, ""},
		{"copied and cut, and longer than before", func(w *following) { w.copyTruncate(); w.write(50) }, [2]int{}, ""},
		{"copied and cut twice", func(w *following) { w.copyTruncate(); w.write(3); w.copyTruncate(); w.write(5) }, [2]int{}, ""},
		{"cut", func(w *following) { w.truncate(); w.write(3) }, [2]int{11, 20}, "truncated"},
		{"cut, and longer than before", func(w *following) { w.truncate(); w.write(50) }, [2]int{11, 20}, "truncated"},
		{"replaced", func(w *following) {
			os.Rename(w.log, filepath.Join(filepath.Dir(w.log), "elsewhere"))
			w.create()
			w.write(3)
		}, [2]int{}, ""},
		{"deleted and made again", func(w *following) { os.Remove(w.log); w.create(); w.write(3) }, [2]int{}, ""},
		{"deleted, and written to on", func(w *following) { os.Remove(w.log); w.write(3) }, [2]int{}, ""},
		{"rotated out of sight", func(w *following) {
			for range 4 {
				w.rotate(2)
				w.write(10)
			}
		}, [2]int{21, 30}, "rotated-away"},
	} {
		for _, between := range []struct {
			name string
			do   func(w *following)
		}{
			{"while it runs", func(*following) {}},
			{"while it is down", func(w *following) { w.killed() }},
			{"in a power failure", func(w *following) { w.powerLost(len(w.stored)) }},
		} {
			t.Run(row.name+" "+between.name, func(t *testing.T) {
				w := follow(t)
				w.create()
				w.write(10)
				w.look()
				w.write(10)
				row.does(w)
				between.do(w)
				w.look()
				lost, gaps := row.lost, row.gaps
				if between.name != "while it runs" {
					switch row.name {
					case "replaced", "deleted and made again": // a process that is there has the file open
						lost, gaps = [2]int{11, 20}, "not-found"
					case "deleted, and written to on":
						lost, gaps = [2]int{11, 23}, "not-found"
					case "cut", "cut, and longer than before":
						gaps = "not-found"
					case "rotated out of sight":
						lost, gaps = [2]int{11, 30}, "not-found"
					}
				}
				want := w.lines(1, w.n)
				if lost[0] > 0 {
					want = append(w.lines(1, lost[0]-1), w.lines(lost[1]+1, w.n)...)
				}
				if !slices.Equal(w.stored, want) {
					t.Errorf("stored %s, want %s", numbers(w.stored), numbers(want))
				}
				if got := strings.Join(w.gaps, " "); got != gaps {
					t.Errorf("gaps on record: %q, want %q", got, gaps)
				}
			})
		}
	}
}

// numbers makes long lists of lines readable.
func numbers(lines []string) string {
	var b strings.Builder
	for _, line := range lines {
		h, ok := ParseHeader([]byte(line))
		if !ok {
			fmt.Fprintf(&b, " %.30q", line)
			continue
		}
		fmt.Fprint(&b, " ", h.ID.Serial)
	}
	return b.String()
}

// A line is taken when it is whole, or when nothing can come to it any more.
func TestFollowerTakesWholeLines(t *testing.T) {
	const begun, rest = "type=USER msg=audit(1.000:1): beg", "un\n"
	for _, row := range []struct {
		name string
		does func(w *following)
		want []string
	}{
		{"not whole yet", func(*following) {}, nil},
		{"whole at last", func(w *following) { w.writer.WriteString(rest) }, []string{begun + "un"}},
		{"whole at last, after a restart", func(w *following) { w.killed(); w.look(); w.writer.WriteString(rest) }, []string{begun + "un"}},
		{"renamed, and the new one empty", func(w *following) { w.rotate(3) }, nil},
		{"renamed for good", func(w *following) { w.rotate(3); w.write(1) }, []string{begun, numberedLine(1)}},
		{"renamed for good, while down", func(w *following) { w.killed(); w.rotate(3); w.write(1) }, []string{begun, numberedLine(1)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			w := follow(t)
			w.create()
			w.writer.WriteString("type=USER msg=audit(1.000:0): before\n" + begun)
			w.look()
			row.does(w)
			w.look()
			if got := w.stored[1:]; !slices.Equal(got, row.want) {
				t.Errorf("stored %q, want %q", got, row.want)
			}
		})
	}
}

// Lines longer than any record are kept in pieces, wherever a process ends and
// another goes on, and whatever bytes are in them.
func TestFollowerKeepsAnyBytes(t *testing.T) {
	long := strings.Repeat("0123456789", 40_000)
	text := "a\x00b\n\n" + long + "\ntype=DAEMON_CONFIG msg=audit(1.000:4278190085): op=block\n\r\n"
	want := strings.Split(strings.TrimSuffix(readLines(t, strings.NewReader(text)), "\n"), "\n")
	for cut := 0; cut <= len(text); cut += 5_001 {
		w := follow(t)
		w.create()
		w.writer.WriteString(text[:cut])
		w.look()
		w.killed()
		w.writer.WriteString(text[cut:])
		w.look()
		if !slices.Equal(w.stored, want) {
			t.Fatalf("cut at %d: %d lines stored, want %d: %.80q", cut, len(w.stored), len(want), w.stored)
		}
	}
}

func TestFollowerAllocatesNothingPerLine(t *testing.T) {
	w := follow(t)
	w.create()
	w.write(1)
	w.look()
	few := testing.AllocsPerRun(20, func() { w.write(1); w.f.step(); w.ring.Written(len(w.ring.Pending()), 1) })
	many := testing.AllocsPerRun(20, func() { w.write(1000); w.f.step(); w.ring.Written(len(w.ring.Pending()), 1000) })
	writes := testing.AllocsPerRun(20, func() { w.write(1000) }) - testing.AllocsPerRun(20, func() { w.write(1) })
	if many-few > writes+10 {
		t.Errorf("%v allocations for one line, %v for a thousand, %v of them in writing", few, many, writes)
	}
}

// A place is read back as it was written, or not at all.
func FuzzPlace(f *testing.F) {
	f.Add("64768/131075/73214/1795297840656000000/9f86d081884c7d65")
	f.Add("1/2/-3/4/0000000000000005")
	f.Add("1/2/3/4/5")
	f.Fuzz(func(t *testing.T, text string) {
		if p, err := parsePlace(text); err == nil && (p.String() != text || p.offset < 0) {
			t.Errorf("%q is read as %v", text, p)
		}
	})
}
