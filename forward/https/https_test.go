package https

import (
	"fmt"
	"net/http"
	"runtime"
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
