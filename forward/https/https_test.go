package https

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// A server is waited for as it asks, but not longer than half a minute.
func TestRetryAfter(t *testing.T) {
	in := func(d time.Duration) string { return time.Now().Add(d).UTC().Format(http.TimeFormat) }
	for _, row := range []struct {
		says        string
		least, most time.Duration
	}{
		{"7", 7 * time.Second, 7 * time.Second}, {"0", 0, 0}, {"86400", maxDelay, maxDelay},
		{in(10 * time.Second), 5 * time.Second, 10 * time.Second}, {in(time.Hour), maxDelay, maxDelay}, {in(-time.Hour), 0, 0},
		{"-5", 0, firstDelay}, {"soon", 0, firstDelay}, {"", 0, firstDelay}, {"99999999999999999999", 0, firstDelay},
	} {
		got := delay(0, 0, 0, &http.Response{Header: http.Header{"Retry-After": {row.says}}})
		if got < row.least || got > row.most {
			t.Errorf("%q: wait %v, want %v to %v", row.says, got, row.least, row.most)
		}
	}
	for attempt := range 100 {
		if got := delay(0, 0, attempt, nil); got < 0 || got > maxDelay {
			t.Errorf("attempt %d: wait %v", attempt, got)
		}
	}
}

func TestEventsInBodies(t *testing.T) {
	event := `{"time":"2023-11-14T22:13:20.007Z","serial":1}`
	for _, row := range []struct{ body, event, want string }{
		{NDJSON, event, event + "\n"},
		{HEC, event, `{"time":1700000000.007,"host":"h\"1","source":"auditbridge","sourcetype":"auditbridge:json","event":` + event + "}\n"},
		{HEC, `{"x":1}`, `{"host":"h\"1","source":"auditbridge","sourcetype":"auditbridge:json","event":{"x":1}}` + "\n"},
		{Elastic, event, `{"create":{"_id":"ID"}}` + "\n" + event + "\n"},
	} {
		got := string(framerOf(row.body, `h"1`)(nil, []byte(row.event)))
		if row.body == Elastic {
			id, _, _ := strings.Cut(strings.TrimPrefix(got, `{"create":{"_id":"`), `"`)
			if got = strings.Replace(got, id, "ID", 1); len(id) != 24 {
				t.Errorf("a document called %q", id)
			}
		}
		if got != row.want {
			t.Errorf("%s: %q, want %q", row.body, got, row.want)
		}
	}
}

// A server that answers before it was asked, or twice, has acknowledged nothing by it.
func TestAnswersToWhatWasNotSent(t *testing.T) {
	const ok = "HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"
	for _, row := range []struct {
		name   string
		serve  func(c net.Conn, in *bufio.Reader, due func() bool)
		unsent bool
	}{
		{"in turn", func(c net.Conn, in *bufio.Reader, due func() bool) {
			for due() {
				io.WriteString(c, ok)
			}
		}, false},
		{"before it is asked", func(c net.Conn, in *bufio.Reader, due func() bool) { io.WriteString(c, ok); hear(in) }, true},
		{"twice at once", func(c net.Conn, in *bufio.Reader, due func() bool) {
			due()
			io.WriteString(c, ok+ok)
			hear(in)
			hear(in)
		}, false},
	} {
		t.Run(row.name, func(t *testing.T) {
			served, due := make(chan struct{}, 10), atomic.Int32{}
			l := peertest.Listen(t, func(conn net.Conn) {
				defer conn.Close()
				in := bufio.NewReader(conn)
				row.serve(told{conn, served}, in, func() bool {
					if !hear(in) {
						return false
					}
					due.Add(1)
					return true
				})
			})
			c, err := Open(t.Context(), Config{Host: "h", Path: "/", Body: NDJSON, Compression: Plain, Timeout: time.Minute}, func(context.Context) (net.Conn, error) {
				conn, err := net.Dial("tcp", l.Addr().String())
				if row.unsent {
					<-served
				}
				return conn, err
			})
			taken := int32(0)
			if err == nil {
				defer c.Close()
				for range 3 {
					if err = c.Send(c.Frame(nil, []byte("{}"))); err != nil {
						break
					}
					taken++
				}
			}
			if taken > due.Load() || row.unsent != (taken == 0) {
				t.Errorf("%d requests count as taken, %d were answered when they had been sent; %v", taken, due.Load(), err)
			}
			if row.unsent && !errors.As(err, new(*UnsentError)) {
				t.Errorf("%v, want an *UnsentError", err)
			}
		})
	}
	answers := turn{}
	for _, row := range []struct {
		written []string // then something is read
		is      bool
	}{{nil, false}, {[]string{"POST / HTTP/1.1\r\nA: b\r\n"}, false}, {[]string{"POST /\r\n", "\r\n", "123"}, false}, {[]string{"POST /\r\n", "\r", "\n12345"}, true}, {[]string{"POST /\r\r\n\r\n", "12", "345"}, true}} {
		answers.begin(5)
		for _, p := range row.written {
			answers.write([]byte(p))
		}
		answers.read()
		if got := answers.answered(); got != row.is {
			t.Errorf("after %q: %v, want %v", row.written, got, row.is)
		}
	}
}

// hear reads a request.
func hear(in *bufio.Reader) bool {
	r, err := http.ReadRequest(in)
	if err == nil {
		_, err = io.Copy(io.Discard, r.Body)
	}
	return err == nil
}

// told says when something was written.
type told struct {
	net.Conn
	written chan struct{}
}

func (c told) Write(p []byte) (int, error) {
	n, err := c.Conn.Write(p)
	c.written <- struct{}{}
	return n, err
}

// What a server answers to a bulk request costs what its documents do, however much it
// has to say, and is theirs.
func TestElasticAnswers(t *testing.T) {
	var body []byte
	var ends []int
	for _, event := range []string{`{"a":1}`, `{"a":2}`} {
		body = appendElastic(body, []byte(event))
		ends = append(ends, len(body))
	}
	names := documentNames(body, ends)
	item := func(name string, status int) string {
		return fmt.Sprintf(`{"create":{"_id":"%s","status":%d}}`, name, status)
	}
	for _, row := range []struct{ items, says string }{
		{item(names[0], 201) + "," + item(names[1], 409), ""},
		{item("", 201) + "," + item("", 200), ""},
		{item(names[0], 201), "for 1 documents where 2 were sent"},
		{item(names[1], 201) + "," + item(names[0], 201), "its answer 1 is to the document"},
		{item(names[0], 201) + "," + item(`another\u001b`, 201), `its answer 2 is to the document "another\x1b"`},
		{item(names[0], 201) + `,{"delete":{"status":200}}`, "its answer 2 is not to a create"},
		{strings.Repeat(item("", 201)+",", 100_000) + "0", "more documents than the 2 that were sent"},
		{`{"create":{"a":{}}},` + strings.Repeat(`{"a":{}},`, 400_000) + "0", "its answer 2 is not to a create"},
	} {
		text := []byte(`{"errors":false,"items":[` + row.items + "]}")
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		refused, err := answersOf(Elastic, text, body, ends)
		runtime.ReadMemStats(&after)
		if len(refused) > 0 || row.says == "" && err != nil || row.says != "" && (err == nil || !strings.Contains(err.Error(), row.says)) {
			t.Errorf("%.100q: %v, %v; want %q", row.items, refused, err, row.says)
		}
		if cost := after.TotalAlloc - before.TotalAlloc; cost > 2*maxAnswer {
			t.Errorf("%.100q: %d bytes for an answer of %d", row.items, cost, len(text))
		}
	}
}

// Whatever a server answers to a bulk request, each of its documents is taken or not,
// or the answer is none.
func FuzzElasticAnswer(f *testing.F) {
	f.Add([]byte(`{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429,"error":{"type":"a","reason":"b"}}}]}`))
	f.Add([]byte(`{"errors":false,"items":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		refused, err := elasticRefusals(text, []string{"a", "b"})
		if err != nil && refused != nil || len(refused) > 2 {
			t.Fatalf("%v, %v", refused, err)
		}
		checkHEC(text)
	})
}
