package auditd

import (
	"bytes"
	"encoding/hex"
	"errors"
	"io"
	"log/slog"
	"net"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
)

// The frames are those a stock audisp-remote and a stock auditd were heard to send.
func TestFrames(t *testing.T) {
	record := `type=USER_LOGIN msg=audit(1700000000.123:4567): pid=100 hb`
	want := "fe0000ff" + "0000" + "00000000" + "3b00" + "02000000" + hex.EncodeToString([]byte(record+"\n"))
	if got := hex.EncodeToString(appendMessage(nil, []byte(record), 2)); got != want {
		t.Errorf("message %s, want %s", got, want)
	}
	if got := hex.EncodeToString(appendHeader(nil, heartbeat, 0, 3)); got != "fe0000ff0000010000000000"+"03000000" {
		t.Errorf("heartbeat %s", got)
	}
	for _, row := range []struct {
		in   string
		kind kind
		n    uint32
		text string
		err  error
	}{
		{"fe0000ff0000000000400000" + "02000000", acknowledged, 2, "", nil},
		{"fe0000ff0000010000400000" + "00000000", ending, 0, "", nil},
		{"fe0000ff0000010000500000" + "00020000", diskLow, 512, "", nil},
		{"fe0000ff0000010000600900" + "00040000" + "6469736b2066756c6c", diskFull, 1024, "disk full", nil},
		{"fe0000ff0000020000601800" + "f8030000" + "72656d6f7465206c6f6767696e672073757370656e646564", diskError, 1016, "remote logging suspended", nil},
		{"", 0, 0, "", io.EOF},
		{"fe", 0, 0, "", io.ErrUnexpectedEOF},
		{"fe0000ff0000010000600900" + "00040000" + "64", 0, 0, "", io.ErrUnexpectedEOF},
		{"fe0000ff0000010000600900" + "00040000", 0, 0, "", io.ErrUnexpectedEOF},
		{"fe0000ff0000000000000000" + "02000000", 0, 0, "", new(ProtocolError)},
		{"ff0000fe0000004000000000" + "02000000", 0, 0, "", new(ProtocolError)},
	} {
		in, _ := hex.DecodeString(row.in)
		a, err := newReader(bytes.NewReader(in)).next()
		var wrong *ProtocolError
		if row.err == nil && (err != nil || a.kind != row.kind || a.sequence != row.n || string(a.text) != row.text) {
			t.Errorf("%s: %+v, %v", row.in, a, err)
		}
		if row.err != nil && !errors.Is(err, row.err) && !(errors.As(row.err, &wrong) && errors.As(err, &wrong)) {
			t.Errorf("%s: %v, want %v", row.in, err, row.err)
		}
	}
}

// What a stock receiver would take for the end of the connection is cut, and says so.
func TestRecordsThatAreTooLong(t *testing.T) {
	for _, length := range []int{8951, 8952, 8953, 8954, 36_000} {
		frame := appendMessage(nil, bytes.Repeat([]byte{'x'}, length), 1)
		if len(frame) > headerSize+maxBody || frame[len(frame)-1] != '\n' {
			t.Errorf("%d: a frame of %d bytes", length, len(frame))
		}
		if cut := bytes.Contains(frame, []byte(" ab-cut=")); cut != (length >= maxBody) {
			t.Errorf("%d: cut %v", length, cut)
		}
		if length == 36_000 && !bytes.HasSuffix(frame, []byte("x ab-cut=36000\n")) {
			t.Errorf("ends in %q", frame[len(frame)-20:])
		}
	}
}

func TestRecords(t *testing.T) {
	for _, row := range []struct{ line, want string }{
		{"type=LOGIN msg=audit(1.000:2): pid=1", "node=h type=LOGIN msg=audit(1.000:2): pid=1"},
		{"node=other type=LOGIN msg=audit(1.000:2): pid=1", "node=other type=LOGIN msg=audit(1.000:2): pid=1"},
		{"type=EOE msg=audit(1.000:2): ", ""},
		{"node=other type=EOE msg=audit(1.000:2): ", ""},
		{"this is no record", "node=h this is no record"},
	} {
		r := auditbridge.NewReassembler(auditbridge.Limits{})
		got := ""
		emit := func(e *auditbridge.Event) { got += string(NewFormat("h").AppendRecord(nil, &e.Records[0])) }
		r.Push(1, []byte(row.line), emit)
		r.Flush(emit)
		if got != row.want {
			t.Errorf("%q is sent as %q, want %q", row.line, got, row.want)
		}
	}
}

func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{"fe0000ff000000000040000002000000", "fe0000ff0000010000600900000400006469736b2066756c6c", "fe0000ff00000100006000ffffffffff"} {
		b, _ := hex.DecodeString(seed)
		f.Add(b)
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for r := newReader(bytes.NewReader(in)); ; {
			a, err := r.next()
			if err != nil {
				return
			}
			if a.kind&reply == 0 || len(a.text) > maxText {
				t.Fatalf("%+v", a)
			}
		}
	})
}

// On a quiet connection the receiver is asked every so often whether it is there, and
// one that does not answer is given up.
func TestHeartbeat(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		near, far := net.Pipe()
		c := New(pipe{near}, Config{WriteTimeout: time.Second, AckTimeout: time.Minute, Heartbeat: 30 * time.Second}, slog.New(slog.DiscardHandler))
		go c.Listen()
		heard := make(chan []byte, 10)
		go func() {
			for {
				frame := make([]byte, headerSize)
				if _, err := io.ReadFull(far, frame); err != nil {
					return
				}
				heard <- frame
			}
		}()
		tend := func(d time.Duration) (err error) {
			for end := time.Now().Add(d); err == nil && time.Now().Before(end); err = c.Tend(time.Now()) {
				time.Sleep(5 * time.Second)
			}
			synctest.Wait()
			return err
		}
		if err := tend(25 * time.Second); err != nil || len(heard) != 0 {
			t.Fatalf("%v, %d frames after 25 s", err, len(heard))
		}
		if err := tend(10 * time.Second); err != nil || len(heard) != 1 {
			t.Fatalf("%v, %d frames after 35 s, want a heartbeat", err, len(heard))
		}
		if got := hex.EncodeToString(<-heard); got != "fe0000ff0000010000000000"+"01000000" {
			t.Errorf("heartbeat %s", got)
		}
		far.Write(appendHeader(nil, acknowledged, 0, 1))
		if err := tend(time.Minute); err != nil || len(heard) != 1 || c.Arrived() != 0 {
			t.Fatalf("%v, %d frames, %d bytes arrived; want the next heartbeat", err, len(heard), c.Arrived())
		}
		var silence interface{ Hint() string }
		if err := tend(time.Minute); !errors.As(err, &silence) || !strings.Contains(err.Error(), "acknowledged nothing for 1m0s") {
			t.Errorf("%v, want that it does not answer", err)
		}
		c.Close()
		far.Close()
	})
}

type pipe struct{ net.Conn }

func (p pipe) CloseWrite() error { return p.Close() }

func TestFramesAndAnswersAllocateNothing(t *testing.T) {
	c := New(pipe{}, Config{}, slog.New(slog.DiscardHandler))
	record, batch := bytes.Repeat([]byte{'x'}, 300), make([]byte, 0, 64<<10)
	answers := bytes.Repeat(appendHeader(nil, acknowledged, 0, 1), 100)
	in := bytes.NewReader(answers)
	c.in = newReader(in)
	if n := testing.AllocsPerRun(50, func() {
		batch = batch[:0]
		for range 100 {
			batch = c.Frame(batch, record)
		}
		c.window.Next()
		in.Reset(answers)
		for range 100 {
			if _, err := c.in.next(); err != nil {
				t.Fatal(err)
			}
			n, _ := c.window.Oldest()
			c.window.Acknowledge(n)
		}
	}); n > 0 {
		t.Errorf("%v allocations for a hundred records", n)
	}
}
