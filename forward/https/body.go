package https

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"strconv"
	"time"
)

// The values of Config.Body: how events, JSON objects, make the body of a request.
const (
	NDJSON  = "ndjson"       // one object a line; any 2xx takes them all
	HEC     = "splunk-hec"   // Splunk's HTTP Event Collector: each in an envelope; code 0 takes them all
	Elastic = "elastic-bulk" // Elasticsearch's bulk API: each behind an action; an answer for each
)

// Bodies are all values of Config.Body.
var Bodies = []string{NDJSON, HEC, Elastic}

// DefaultPath is where a body goes unless configured.
func DefaultPath(body string) string {
	return map[string]string{NDJSON: "/", HEC: "/services/collector/event", Elastic: "/auditbridge/_bulk"}[body]
}

// framer appends an event to the body of a request.
type framer func(dst, event []byte) []byte

// framerOf is a body's framer; host is what Splunk is told where an event is from.
func framerOf(body, host string) framer {
	switch body {
	case HEC:
		host, _ := json.Marshal(host)
		return func(dst, event []byte) []byte { return appendHEC(dst, event, host) }
	case Elastic:
		return appendElastic
	default:
		return func(dst, event []byte) []byte { return append(append(dst, event...), '\n') }
	}
}

// appendHEC appends an event in the envelope of Splunk's "Format events for HTTP
// Event Collector". Its time is the event's own.
func appendHEC(dst, event, host []byte) []byte {
	dst = append(dst, '{')
	if at, ok := timeOf(event); ok {
		dst = append(dst, `"time":`...)
		dst = strconv.AppendInt(dst, at.Unix(), 10)
		dst = append(dst, '.')
		ms := at.Nanosecond() / 1e6
		dst = append(dst, byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10), ',')
	}
	dst = append(dst, `"host":`...)
	dst = append(dst, host...)
	dst = append(dst, `,"source":"auditbridge","sourcetype":"auditbridge:json","event":`...)
	return append(append(dst, event...), '}', '\n')
}

var timeField = []byte(`{"time":"`)

// timeOf is the time an event begins with.
func timeOf(event []byte) (at time.Time, ok bool) {
	rest, ok := bytes.CutPrefix(event, timeField)
	if !ok {
		return at, false
	}
	text, _, ok := bytes.Cut(rest, []byte{'"'})
	at, err := time.Parse(time.RFC3339Nano, string(text))
	return at, ok && err == nil
}

// bulkAction begins the line before a document, its name follows.
const (
	bulkAction = `{"create":{"_id":"`
	nameLength = 24
)

// appendElastic appends an event behind the action that makes it a document. The
// document's name follows from the event alone, so one that comes twice is one.
func appendElastic(dst, event []byte) []byte {
	sum := sha256.Sum256(event)
	dst = append(dst, bulkAction...)
	dst = base64.RawURLEncoding.AppendEncode(dst, sum[:nameLength*3/4])
	dst = append(dst, "\"}}\n"...)
	return append(append(dst, event...), '\n')
}

// documentNames are those of the documents in a body, which end at ends.
func documentNames(body []byte, ends []int) (names []string) {
	start := 0
	for _, end := range ends {
		names = append(names, string(body[start+len(bulkAction):][:nameLength]))
		start = end
	}
	return names
}

// refusal is an event that was not taken.
type refusal struct {
	event  int // of the request, from 0
	again  bool
	status int
	reason string // the server's
}

// answersOf are what a server says of the events of a request that it took as a
// whole; they end at ends.
func answersOf(kind string, text, body []byte, ends []int) ([]refusal, error) {
	switch kind {
	case HEC:
		return nil, checkHEC(text)
	case Elastic:
		return elasticRefusals(text, documentNames(body, ends))
	default:
		return nil, nil
	}
}

func checkHEC(text []byte) error {
	var answer struct {
		Code *int
		Text string
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Code == nil {
		return fmt.Errorf("its answer is not that of an HTTP Event Collector: %.100q", text)
	}
	if *answer.Code != 0 {
		return fmt.Errorf("it answered with code %d: %.200q", *answer.Code, answer.Text)
	}
	return nil
}

// elasticRefusals finds the documents that were not taken, of those of these names. One
// that is there already (409) was taken before. It looks at no more answers than there
// are documents: an answer of a few megabytes could hold a million.
func elasticRefusals(text []byte, names []string) (refused []refusal, err error) {
	var answer struct {
		Errors *bool
		Items  json.RawMessage
	}
	if err := json.Unmarshal(text, &answer); err != nil || answer.Errors == nil {
		return nil, fmt.Errorf("its answer is not that of a bulk request: %.100q", text)
	}
	items := json.NewDecoder(bytes.NewReader(answer.Items))
	if begin, err := items.Token(); err != nil || begin != json.Delim('[') {
		return nil, fmt.Errorf("its answer has no list of items: %.100q", text)
	}
	n := 0
	for ; items.More(); n++ {
		if n == len(names) {
			return nil, fmt.Errorf("it answers for more documents than the %d that were sent", n)
		}
		r, err := elasticRefusal(items, n, names[n])
		if err != nil {
			return nil, err
		}
		if r != nil {
			refused = append(refused, *r)
		}
	}
	if n < len(names) {
		return nil, fmt.Errorf("it answers for %d documents where %d were sent", n, len(names))
	}
	return refused, nil
}

// elasticRefusal is the next answer, when it is one.
func elasticRefusal(items *json.Decoder, n int, name string) (*refusal, error) {
	var item struct {
		Create *struct {
			ID     string `json:"_id"`
			Status int
			Error  struct{ Type, Reason string }
		}
	}
	if err := items.Decode(&item); err != nil || item.Create == nil {
		return nil, fmt.Errorf("its answer %d is not to a create", n+1)
	}
	done := item.Create
	if done.ID != "" && done.ID != name {
		return nil, fmt.Errorf("its answer %d is to the document %.60q, where %q was sent", n+1, done.ID, name)
	}
	if s := done.Status; s >= 200 && s < 300 || s == 409 {
		return nil, nil
	}
	return &refusal{n, done.Status == 429 || done.Status >= 500, done.Status, fmt.Sprintf("%.60q: %.200q", done.Error.Type, done.Error.Reason)}, nil
}
