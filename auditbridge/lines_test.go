package auditbridge

import (
	"bytes"
	"context"
	"io"
	"os"
	"runtime"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/journal/ring"
)

// readLines runs the source "plugin" over a reader and returns what it stored.
func readLines(t *testing.T, from io.Reader) string {
	t.Helper()
	r, err := ring.Open(ring.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	l, err := OpenLines(from, Pressure{}, r)
	if err != nil {
		t.Fatal(err)
	}
	l.pause = 0 // pieces may be bytes
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	if got, want := r.Stats().Received, uint64(bytes.Count(r.Pending(), []byte{'\n'})); got != want {
		t.Errorf("%d records counted, %d stored", got, want)
	}
	return string(r.Pending())
}

func TestLinesAreStoredAsAuditdWroteThem(t *testing.T) {
	const record = "type=LOGIN msg=audit(1709742929.678:2340): pid=1 uid=0"
	long := strings.Repeat("l", MaxText)
	for _, row := range []struct{ name, in, want string }{
		{"lines", record + "\n" + record + "\n", record + "\n" + record + "\n"},
		{"nothing", "", ""},
		{"last line without its end", record + "\n" + record, record + "\n" + record + "\n"},
		{"empty lines are no records", "\n\n" + record + "\n\n", record + "\n"},
		{"node", "node=web1 " + record + "\n", "node=web1 " + record + "\n"},
		{"enriched", record + "\x1dUID=\"root\"\n", record + "\x1dUID=\"root\"\n"},
		{"second separator", record + "\x1da\x1db\n", record + "\x1da\\x1Db ab-esc=1\n"},
		{"NUL, CR, ESC", "a\x00b\rc\x1b\n", "a\\x00b\\x0Dc\\x1B ab-esc=1\n"},
		{"no record at all", "hello\n", "hello\n"},
		{"like our own", "type=DAEMON_ERR msg=audit(1.000:4278190085): op=gap\n", "\\x74ype=DAEMON_ERR msg=audit(1.000:4278190085): op=gap ab-esc=1\n"},
		{"like our own behind a node", "node=a type=DAEMON_ERR msg=audit(1.000:4278190085): op=gap\n", "node=a \\x74ype=DAEMON_ERR msg=audit(1.000:4278190085): op=gap ab-esc=1\n"},
		{"like a block line", "type=DAEMON_CONFIG msg=audit(1.000:1): op=block x\n", "\\x74ype=DAEMON_CONFIG msg=audit(1.000:1): op=block x ab-esc=1\n"},
		{"like a damaged block line", "type=DAEMON_CONFIG msg=audit(1): op=block x\n", "\\x74ype=DAEMON_CONFIG msg=audit(1): op=block x ab-esc=1\n"},
		{"auditd's own", "type=DAEMON_START msg=audit(1.000:77): op=start\n", "type=DAEMON_START msg=audit(1.000:77): op=start\n"},
		{"a record inside", "x type=A msg=audit(1.000:1): type=B\n", "x \\x74ype=A msg=audit(1.000:1): \\x74ype=B ab-esc=1\n"},
		{"a record inside a record", "type=USER msg=audit(1.000:1): type=B msg=audit(2.000:2): \n", "type=USER msg=audit(1.000:1): type=B msg=audit(2.000:2): \n"},
		{"a byte order mark", "\xef\xbb\xbfhi\n", "\\xEF\xbb\xbfhi ab-esc=1\n"},
		{"longest", long + "\n" + record + "\n", long + "\n" + record + "\n"},
		{"over-long is kept in pieces", long + "rest\n" + record + "\n", long + "\nab-continued=1 rest\n" + record + "\n"},
		{"over-long cannot forge a record", long + record + "\n", long + "\nab-continued=1 " + record + "\n"},
		{"over-long without its end", long + long + "x", long + "\nab-continued=1 " + long + "\nab-continued=1 x\n"},
		{"over-long in whole pieces", long + long + "\n" + record + "\n", long + "\nab-continued=1 " + long + "\n" + record + "\n"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := readLines(t, strings.NewReader(row.in)); got != row.want {
				t.Errorf("stored %.120q…, want %.120q…", got, row.want)
			}
			// However the bytes come.
			if got := readLines(t, iotest.OneByteReader(strings.NewReader(row.in))); got != row.want {
				t.Errorf("byte by byte stored %.120q…, want %.120q…", got, row.want)
			}
		})
	}
}

func TestReadErrorKeepsWhatCameBefore(t *testing.T) {
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	l, err := OpenLines(io.MultiReader(strings.NewReader("one\ntwo"), iotest.ErrReader(io.ErrUnexpectedEOF)), Pressure{}, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); err == nil || !strings.Contains(err.Error(), "unexpected EOF") {
		t.Errorf("error %v", err)
	}
	if got := string(r.Pending()); got != "one\ntwo\n" {
		t.Errorf("stored %q", got)
	}
}

func TestLinesStopWithTheContextAndKeepWhatCame(t *testing.T) {
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	defer to.Close()
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	l, err := OpenLines(from, Pressure{}, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- l.Run(ctx) }()
	to.WriteString("one\n")
	audittest.Poll(t, "the line is stored", func() bool { return r.Stats().Received == 1 })
	stop()
	to.WriteString("two\n") // auditd writes on until it has noticed
	select {
	case err := <-ended:
		if err != nil {
			t.Error(err)
		}
	case <-time.After(2 * time.Minute):
		t.Fatal("Run hangs on an open pipe")
	}
	to.Close()
	from.SetReadDeadline(time.Time{})
	left, err := io.ReadAll(from) // it may have noticed before
	if got := string(r.Pending()) + string(left); got != "one\ntwo\n" || err != nil {
		t.Errorf("stored %q, left in the pipe %q, %v", r.Pending(), left, err)
	}
}

// A stalled consumer blocks the pipe for as long as allowed; then lines are
// counted, and stored again when there is room.
func TestLinesUnderPressureAreHeldBackThenCounted(t *testing.T) {
	line := "type=EOE msg=audit(1709742929.678:77): " + strings.Repeat("x", 1000) + "\n"
	r, err := ring.Open(small)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	l, err := OpenLines(strings.NewReader(strings.Repeat(line, 400)), Pressure{HoldBack: 20 * time.Millisecond}, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(t.Context()); err != nil {
		t.Fatal(err)
	}
	s := r.Stats()
	if s.Received+s.Refused != 400 || s.Refused == 0 {
		t.Errorf("%d received and %d refused of 400", s.Received, s.Refused)
	}
	if n, first, last := r.Refused(); uint64(n) != s.Refused || first != 77 || last != 77 {
		t.Errorf("refused %d, serials %d to %d", n, first, last)
	}
}

// A consumer that takes little at a time is a slow disk, not a stalled one: nothing
// is refused as long as a quarter of the ring gets free in the time allowed.
func TestLinesWaitForASlowConsumer(t *testing.T) {
	line := "type=EOE msg=audit(1709742929.678:77): " + strings.Repeat("x", 1000) + "\n"
	r, err := ring.Open(small)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	l, err := OpenLines(strings.NewReader(strings.Repeat(line, 4000)), Pressure{HoldBack: time.Minute}, r)
	if err != nil {
		t.Fatal(err)
	}
	ended := make(chan error, 1)
	go func() { ended <- l.Run(t.Context()); r.Close() }()
	for !r.Drained() {
		<-r.Wake()
		for len(r.Pending()) > 0 {
			r.Written(len(line), 1)
			runtime.Gosched() // whoever waits may look
		}
	}
	if err := <-ended; err != nil {
		t.Fatal(err)
	}
	if s := r.Stats(); s.Received != 4000 || s.Refused != 0 {
		t.Errorf("%d received and %d refused of 4000", s.Received, s.Refused)
	}
}

func TestLinesAllocateNothingPerLine(t *testing.T) {
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	l, err := OpenLines(nil, Pressure{}, r)
	if err != nil {
		t.Fatal(err)
	}
	lines := []byte(strings.Repeat("type=SYSCALL msg="+syscallText+"\n", 10))
	if n := testing.AllocsPerRun(1000, func() {
		l.buffer = append(l.buffer, lines...)
		l.take(false)
		r.Written(len(r.Pending()), 10)
	}); n != 0 {
		t.Errorf("%v allocations for ten lines", n)
	}
}

func FuzzLines(f *testing.F) {
	f.Add([]byte("type=LOGIN msg=audit(1.000:1): \x1dA=b\n\n\x00\n"), 7)
	f.Fuzz(func(t *testing.T, in []byte, split int) {
		if len(in) > 64<<10 {
			return // would fill the ring
		}
		split = min(max(split, 0), len(in))
		got := readLines(t, io.MultiReader(bytes.NewReader(in[:split]), bytes.NewReader(in[split:])))
		var want []byte // by the definition, one line at a time
		for line := range bytes.SplitSeq(in, []byte{'\n'}) {
			for middle := false; len(line) > 0; middle = true {
				piece := line[:min(len(line), longestPiece)]
				line = line[len(piece):]
				if middle {
					want = append(want, continued...)
				}
				want = append(AppendForeign(want, piece), '\n')
			}
		}
		if got != string(want) {
			t.Errorf("stored %q, want %q", got, want)
		}
	})
}

// TestAnEndTakesNoPartOfALine: whoever goes on reading finds whole lines.
func TestAnEndTakesNoPartOfALine(t *testing.T) {
	r, err := ring.Open(ring.Config{Size: 1 << 20})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	ctx, end := context.WithCancel(t.Context())
	from := &interrupted{now: "first\nsec", then: "ond\nthird\n", end: end}
	l, err := OpenLines(from, Pressure{}, r)
	if err != nil {
		t.Fatal(err)
	}
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := string(r.Pending()); got != "first\nsecond\n" || from.then != "third\n" {
		t.Errorf("stored %q, left for the next one %q", got, from.then)
	}
}

// interrupted is a pipe whose reader is told to end when it has read all of now.
type interrupted struct {
	now, then string
	end       func()
}

func (i *interrupted) SetReadDeadline(time.Time) error { return nil }

func (i *interrupted) Read(p []byte) (n int, err error) {
	switch {
	case i.now != "":
		n = copy(p, i.now)
		i.now = i.now[n:]
	case i.end != nil:
		i.end()
		i.end, err = nil, os.ErrDeadlineExceeded
	default:
		n = copy(p, i.then)
		i.then = i.then[n:]
	}
	return n, err
}
