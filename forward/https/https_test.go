package https

import (
	"net/http"
	"strings"
	"testing"
	"time"
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

// Whatever a server answers to a bulk request, each of its documents is taken or not,
// or the answer is none.
func FuzzElasticAnswer(f *testing.F) {
	f.Add([]byte(`{"errors":true,"items":[{"create":{"status":201}},{"create":{"status":429,"error":{"type":"a","reason":"b"}}}]}`))
	f.Add([]byte(`{"errors":false,"items":[]}`))
	f.Fuzz(func(t *testing.T, text []byte) {
		refused, err := elasticRefusals(text, 2)
		if err != nil && refused != nil || len(refused) > 2 {
			t.Fatalf("%v, %v", refused, err)
		}
		checkHEC(text)
	})
}
