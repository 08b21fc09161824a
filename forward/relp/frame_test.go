package relp

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
)

func TestFrames(t *testing.T) {
	for _, row := range []struct {
		number        uint64
		command, data string
		want          string
	}{
		{1, "open", "relp_version=0", "1 open 14 relp_version=0\n"},
		{lastNumber, "syslog", "<14>1 é", "999999999 syslog 8 <14>1 é\n"},
		{7, "close", "", "7 close 0\n"},
	} {
		if got := string(appendFrame(nil, row.number, row.command, []byte(row.data))); got != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}

func TestAnswers(t *testing.T) {
	for _, row := range []struct {
		in      string
		number  uint64
		command string
		data    string
		fails   error // nil: it is taken
	}{
		{in: "1 rsp 6 200 OK\n", number: 1, command: "rsp", data: "200 OK"},
		{in: "5 rsp 0\n", number: 5, command: "rsp"},
		{in: "5 rsp 0 \n", number: 5, command: "rsp"}, // a blank before no data: some have it
		{in: "0 serverclose 0\n", command: "serverclose"},
		{in: "2 rsp 9 200 OK\na\n\n", number: 2, command: "rsp", data: "200 OK\na\n"},
		{in: "", fails: io.EOF},
		{in: "1", fails: io.ErrUnexpectedEOF},
		{in: "1 rsp 6 200", fails: io.ErrUnexpectedEOF},
		{in: "1 rsp 6 200 OK", fails: io.ErrUnexpectedEOF},
		{in: "1 rsp 6 200 OKX", fails: new(ProtocolError)},
		{in: "1 rsp 5\n200 O\n", fails: new(ProtocolError)},
		{in: "1000000000 rsp 0\n", fails: new(ProtocolError)},
		{in: "-1 rsp 0\n", fails: new(ProtocolError)},
		{in: " rsp 0\n", fails: new(ProtocolError)},
		{in: "1 syslog 0\n", fails: new(ProtocolError)},
		{in: "1 rsp 99999999999 x\n", fails: new(ProtocolError)},
		{in: "1 rsp 999999999 x\n", fails: new(ProtocolError)},
		{in: "HTTP/1.1 400 Bad Request\r\n", fails: new(ProtocolError)},
		{in: "1 " + strings.Repeat("r", 100_000), fails: new(ProtocolError)},
	} {
		a, err := newReader(strings.NewReader(row.in)).next()
		var wrong *ProtocolError
		switch {
		case row.fails == nil && (err != nil || a.number != row.number || a.command != row.command || string(a.data) != row.data):
			t.Errorf("%.40q: %+v, %v", row.in, a, err)
		case errors.As(row.fails, &wrong) && !errors.As(err, &wrong):
			t.Errorf("%.40q: %v, want a *ProtocolError", row.in, err)
		case !errors.As(row.fails, &wrong) && err != row.fails:
			t.Errorf("%.40q: %v, want %v", row.in, err, row.fails)
		}
	}
}

func TestCode(t *testing.T) {
	for _, row := range []struct {
		data       string
		code       int
		text, more string
	}{
		{"", 200, "", ""}, {"200 OK", 200, "OK", ""}, {"200", 200, "", ""}, {"500 no room\nx=y", 500, "no room", "x=y"},
		{"20 OK", 0, "20 OK", ""}, {"2000 OK", 0, "2000 OK", ""}, {"OK", 0, "OK", ""}, {"-20 OK", 0, "-20 OK", ""},
	} {
		n, text, more := code([]byte(row.data))
		if n != row.code || string(text) != row.text || string(more) != row.more {
			t.Errorf("%q: %d %q %q", row.data, n, text, more)
		}
	}
}

// Whatever a far end sends is an answer or an error; an answer taken apart was one
// when it is put together again.
func FuzzAnswers(f *testing.F) {
	for _, seed := range []string{"1 rsp 6 200 OK\n", "0 serverclose 0\n5 rsp 0\n", "1 rsp 9 200 OK\na\n\n2 rsp 0 \n", "9999999999", "1 rsp 65537 "} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		for r := newReader(bytes.NewReader(in)); ; {
			a, err := r.next()
			if err != nil {
				return
			}
			again, err := newReader(bytes.NewReader(appendFrame(nil, a.number, a.command, a.data))).next()
			if err != nil || again.number != a.number || again.command != a.command || !bytes.Equal(again.data, a.data) {
				t.Fatalf("%+v became %+v, %v", a, again, err)
			}
			_, _, more := code(a.data)
			checkOffers(more)
		}
	})
}

func TestReadingAnswersAllocatesNothing(t *testing.T) {
	in := strings.NewReader("")
	text := strings.Repeat("123456 rsp 6 200 OK\n", 100)
	r := newReader(in)
	r.next()
	if n := testing.AllocsPerRun(100, func() {
		in.Reset(text)
		for range 100 {
			if _, err := r.next(); err != nil {
				t.Fatal(err)
			}
		}
	}); n > 0 {
		t.Errorf("%v allocations for a hundred answers", n)
	}
}
