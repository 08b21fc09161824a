package journal

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal/ring"
	"auditbridge/seal"
)

// testDirs makes a journal directory and a state directory.
func testConfig(t testing.TB) Config {
	t.Helper()
	base := memoryDir(t)
	return Config{Dir: base + "/journal", StateDir: base + "/state", Source: "kernel", GroupID: -1}
}

// memoryDir makes a directory where fsync costs nothing.
func memoryDir(t testing.TB) string {
	t.Helper()
	dir, err := os.MkdirTemp("/dev/shm", "journal")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { os.RemoveAll(dir) })
	return dir
}

func newRing(t testing.TB) *ring.Ring {
	t.Helper()
	r, err := ring.Open(ring.Config{Size: 4 << 20})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Unmap() })
	return r
}

func mustOpen(t testing.TB, cfg Config, in intake) *Journal {
	t.Helper()
	j, err := openIn(cfg, in)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// record is the line of the n-th record of a test, its LF included.
func record(n int) []byte {
	return fmt.Appendf(nil, "type=SYSCALL msg=audit(%d.%03d:%d): arch=c000003e syscall=1 success=yes exit=%d a0=3 a1=7f a2=10 a3=0 items=0 ppid=1 pid=%d auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm=\"x\" exe=\"/usr/bin/x\" key=(null)\n",
		1709742929+n/1000, n%1000, n, n, n%30000)
}

// feed publishes records from … from+n-1.
func feed(t testing.TB, r *ring.Ring, from, n int) {
	t.Helper()
	for n > 0 {
		room := r.Room()
		k := 0
		for k < n {
			line := record(from + k)
			if len(room)+len(line) > cap(room) {
				break
			}
			room = append(room, line...)
			k++
		}
		if k == 0 {
			select {
			case <-r.Space(4096):
			case <-time.After(2 * time.Minute):
				t.Fatal("the ring stays full")
			}
			continue
		}
		r.Publish(len(room), k)
		from, n = from+k, n-k
	}
}

// turns lets the append loop go round without Run, as often as it takes until
// the ring is empty, and syncs.
func drain(t testing.TB, j *Journal, r *ring.Ring) {
	t.Helper()
	for i := 0; len(r.Pending()) > 0; i++ {
		j.turn(time.Now())
		if i > 1000 {
			t.Fatal("the ring is not drained")
		}
	}
	if j.seg != nil {
		if err := j.sync.flush(); err != nil {
			j.turn(time.Now())
		}
	}
}

// contents is what checkJournal finds.
type contents struct {
	records []string // lines that came through the ring, without LF
	ours    []string // our own, block lines not included
	lines   map[auditbridge.Sequence]string
	last    auditbridge.Sequence
	report  seal.Report
}

// checkJournal is the one invariant checker: it reads a journal from its
// directory alone, as anybody else would, and holds it to what must be true
// after every step. Sequences are dense but for gaps on record, every line is
// whole, the seal verifies, links point at the newest segments.
func checkJournal(t testing.TB, cfg Config) contents {
	t.Helper()
	c, err := readJournal(cfg)
	if err != nil {
		t.Fatalf("%v\n%s", err, listing(cfg.Dir))
	}
	return c
}

func readJournal(cfg Config) (c contents, err error) {
	r, err := OpenReader(cfg.Dir, 0, ReaderOptions{PastDurable: true})
	if err != nil {
		return c, err
	}
	defer r.Close()
	c.lines = map[auditbridge.Sequence]string{}
	var v *seal.Verifier
	for {
		at, line, err := r.Next()
		if err == io.EOF {
			break
		}
		if err != nil {
			return c, fmt.Errorf("after sequence %d: %w", c.last, err)
		}
		if c.last != 0 && at != c.last+1 && !gapOnRecord(cfg.Dir, c.last, at) {
			return c, fmt.Errorf("sequence %d follows %d and no gap is on record", at, c.last)
		}
		if v == nil {
			v = seal.NewVerifier(seal.Options{Own: true, First: at}) // the segments before were dropped
		}
		c.last = at
		c.lines[at] = string(line)
		if !saneLine(line) {
			return c, fmt.Errorf("sequence %d: not a sane line: %q", at, line)
		}
		v.Line(line)
		h, ok := auditbridge.ParseHeader(line)
		switch {
		case !ok:
			return c, fmt.Errorf("sequence %d: no record: %q", at, line)
		case seal.LooksLikeBlock(line):
		case h.ID.Serial >= auditbridge.FirstNoteSerial:
			c.ours = append(c.ours, string(line))
		default:
			c.records = append(c.records, string(line))
		}
	}
	if v == nil {
		return c, errors.New("the journal is empty")
	}
	c.report = v.Finish()
	for _, chain := range c.report.Chains {
		if chain.Verdict == seal.Bad {
			return c, fmt.Errorf("the seal is bad: %v", chain.Defects)
		}
	}
	return c, checkLinks(cfg.Dir)
}

// gapOnRecord looks for the note that tells of the sequences between.
func gapOnRecord(dir string, after, before auditbridge.Sequence) bool {
	want := fmt.Appendf(nil, " after=%d before=%d ", after, before)
	segments, _ := filepath.Glob(dir + "/*.log")
	for _, path := range segments {
		if data, err := os.ReadFile(path); err == nil && bytes.Contains(data, want) {
			return true
		}
	}
	return false
}

func checkLinks(dir string) error {
	names, err := os.ReadDir(dir)
	if err != nil {
		return err
	}
	var all []string
	for _, n := range names {
		all = append(all, n.Name())
	}
	firsts := segmentsIn(all)
	for i := range min(len(firsts), maxLinks+1) {
		want := segmentName(firsts[len(firsts)-1-i])
		if got, err := os.Readlink(filepath.Join(dir, linkNumber(i))); err != nil || got != want {
			return fmt.Errorf("link %s points at %q, want %q (%v)", linkNumber(i), got, want, err)
		}
	}
	return nil
}

func listing(dir string) string {
	var b bytes.Buffer
	filepath.Walk(dir, func(path string, st os.FileInfo, err error) error {
		if err == nil {
			fmt.Fprintln(&b, st.Mode(), st.Size(), path)
		}
		return nil
	})
	return b.String()
}

// wantRecords checks that the records from … from+n-1 are there, each once, in order.
func wantRecords(t testing.TB, c contents, from, n int) {
	t.Helper()
	if len(c.records) != n {
		t.Fatalf("%d records, want %d", len(c.records), n)
	}
	for i, got := range c.records {
		if want := string(bytes.TrimSuffix(record(from+i), lf)); got != want {
			t.Fatalf("record %d is %q, want %q", i, got, want)
		}
	}
}

func runFor(t testing.TB, j *Journal) (stop func()) {
	t.Helper()
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- j.Run(ctx) }()
	return func() {
		t.Helper()
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	}
}

// until polls a condition with a deadline.
func until(t testing.TB, what string, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !ok(); time.Sleep(2 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("still not: %s", what)
		}
	}
}
