// Package https sends events, as JSON, in the bodies of HTTPS requests: to whatever
// takes NDJSON, to Splunk's HTTP Event Collector, to Elasticsearch's bulk API.
//
// The promise: an event counts when the server has answered a request that held it
// with 2xx and, where its interface has an answer for each, with one that it took it.
// One request is under way at a time. What a server did not take of one is sent again
// alone; what it will never take holds the destination, and is told. An answer that was
// there before its request is none.
//
// No environment variable is obeyed (proxies, certificates), no redirection followed,
// and no server has us wait longer than half a minute.
package https

import (
	"bytes"
	"compress/gzip"
	"context"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net"
	"net/http"
	"net/url"
	"slices"
	"strconv"
	"sync"
	"time"

	"github.com/hashicorp/go-retryablehttp"
	"github.com/klauspost/compress/zstd"
)

// The values of Config.Compression.
const (
	Gzip  = "gzip"
	Zstd  = "zstd" // Splunk and Elasticsearch do not take it
	Plain = "none"
)

// Compressions are all values of Config.Compression.
var Compressions = []string{Gzip, Zstd, Plain}

// Config is where events go, and how.
type Config struct {
	Host        string // of the request: a name or address, and a port
	Path        string
	Body        string // one of Bodies
	Compression string // one of Compressions
	Node        string // this host's name
	Agent       string // "auditbridge/1.0"
	// Authorization is the header's value, secret; "" is none.
	Authorization string
	Timeout       time.Duration // of one request
}

// Dial makes a connection that is secured already.
type Dial func(context.Context) (net.Conn, error)

const (
	retries    = 4 // of a request, and of what was not taken of one
	firstDelay = 500 * time.Millisecond
	maxDelay   = 30 * time.Second // whatever Retry-After says
	maxAnswer  = 4 << 20
	maxHeader  = 64 << 10 // of an answer
)

// Client sends requests over connections to one server. See forward.Transport for who
// may call what.
type Client struct {
	cfg      Config
	url      string
	peer     string
	http     *retryablehttp.Client
	frame    framer
	compress func([]byte) []byte
	ctx      context.Context // ends with Close
	cancel   context.CancelFunc
	left     chan struct{}
	leave    sync.Once
	turn     turn

	ends    []int // of the events of the batch
	arrived uint64
}

// Open connects, so that what is wrong with the way is known before anything is sent.
func Open(ctx context.Context, cfg Config, dial Dial) (*Client, error) {
	first, err := greet(ctx, dial)
	if err != nil {
		return nil, err
	}
	c := &Client{cfg: cfg, url: (&url.URL{Scheme: "https", Host: cfg.Host}).String() + cfg.Path, peer: first.RemoteAddr().String(),
		frame: framerOf(cfg.Body, cfg.Node), left: make(chan struct{})}
	c.ctx, c.cancel = context.WithCancel(context.Background())
	if c.compress, err = compressor(cfg.Compression); err != nil {
		return nil, err
	}
	given := make(chan net.Conn, 1)
	given <- first
	transport := &http.Transport{ // its Proxy is none
		DialTLSContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
			select {
			case conn := <-given:
				return turned{conn, &c.turn}, nil
			default:
			}
			conn, err := greet(ctx, dial)
			if err != nil {
				return nil, err
			}
			return turned{conn, &c.turn}, nil
		},
		MaxConnsPerHost:        1,
		DisableCompression:     true, // no answer unfolds into more than was sent
		MaxResponseHeaderBytes: maxHeader,
	}
	context.AfterFunc(c.ctx, func() {
		select {
		case conn := <-given:
			conn.Close()
		default:
		}
		transport.CloseIdleConnections()
	})
	c.http = &retryablehttp.Client{
		HTTPClient: &http.Client{
			Transport: transport, Timeout: cfg.Timeout,
			CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
		},
		RetryMax: retries, CheckRetry: mayRetry, Backoff: delay, ErrorHandler: retryablehttp.PassthroughErrorHandler,
		RequestLogHook: func(_ retryablehttp.Logger, r *http.Request, _ int) { c.turn.begin(int(r.ContentLength)) }, // each time
	}
	return c, nil
}

// greet connects to a server that says nothing until it is asked.
func greet(ctx context.Context, dial Dial) (net.Conn, error) {
	conn, err := dial(ctx)
	if err != nil {
		return nil, err
	}
	if err := silent(conn); err != nil {
		conn.Close()
		return nil, err
	}
	return conn, nil
}

// mayRetry: what a server says of its load is tried again here; a connection that
// fails is the relay's to make anew.
func mayRetry(ctx context.Context, answer *http.Response, err error) (bool, error) {
	if err != nil || ctx.Err() != nil {
		return false, errors.Join(err, ctx.Err())
	}
	return slices.Contains([]int{429, 502, 503, 504}, answer.StatusCode), nil
}

// delay is what Retry-After says, within bounds; else full jitter below a bound that
// doubles.
func delay(_, _ time.Duration, attempt int, answer *http.Response) time.Duration {
	if answer != nil {
		if asked, ok := retryAfter(answer.Header.Get("Retry-After"), time.Now()); ok {
			return min(max(asked, 0), maxDelay)
		}
	}
	return rand.N(min(maxDelay, firstDelay<<min(attempt, 8)))
}

// retryAfter takes seconds or a date (RFC 9110 section 10.2.3).
func retryAfter(text string, now time.Time) (time.Duration, bool) {
	if seconds, err := strconv.ParseUint(text, 10, 31); err == nil {
		return time.Duration(seconds) * time.Second, true
	}
	at, err := http.ParseTime(text)
	return at.Sub(now), err == nil
}

func compressor(name string) (func([]byte) []byte, error) {
	var out bytes.Buffer
	switch name {
	case Gzip:
		w, err := gzip.NewWriterLevel(nil, gzip.BestSpeed)
		return func(body []byte) []byte {
			out.Reset()
			w.Reset(&out)
			w.Write(body)
			w.Close()
			return out.Bytes()
		}, err
	case Zstd:
		w, err := zstd.NewWriter(nil, zstd.WithEncoderConcurrency(1))
		var dst []byte
		return func(body []byte) []byte { dst = w.EncodeAll(body, dst[:0]); return dst }, err
	}
	return func(body []byte) []byte { return body }, nil
}

// Frame appends an event to the body of the next request.
func (c *Client) Frame(batch, event []byte) []byte {
	batch = c.frame(batch, event)
	c.ends = append(c.ends, len(batch))
	return batch
}

// Send makes a request of the batch, and others of what was not taken of it.
func (c *Client) Send(batch []byte) error {
	rest, events := batch, slices.Clone(c.ends)
	for try := 0; ; try++ {
		refused, err := c.request(rest, events)
		if err != nil {
			return err
		}
		if len(refused) == 0 {
			break
		}
		again := slices.ContainsFunc(refused, func(r refusal) bool { return r.again })
		if try == retries || !again {
			return &PartError{Refused: len(refused), Sent: len(c.ends), Status: refused[0].status, Reason: refused[0].reason}
		}
		rest, events = only(rest, events, refused)
		if err := c.wait(delay(0, 0, try, nil)); err != nil {
			return err
		}
	}
	c.arrived += uint64(len(batch))
	c.ends = c.ends[:0]
	return nil
}

// only is a body of those events that were refused.
func only(body []byte, ends []int, refused []refusal) (rest []byte, events []int) {
	for _, r := range refused {
		start := 0
		if r.event > 0 {
			start = ends[r.event-1]
		}
		rest = append(rest, body[start:ends[r.event]]...)
		events = append(events, len(rest))
	}
	return rest, events
}

func (c *Client) wait(d time.Duration) error {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-timer.C:
		return nil
	case <-c.ctx.Done():
		return net.ErrClosed
	}
}

// request makes one, and returns which of its events, that end at ends, were not taken.
func (c *Client) request(body []byte, ends []int) ([]refusal, error) {
	req, err := retryablehttp.NewRequestWithContext(c.ctx, http.MethodPost, c.url, c.compress(body))
	if err != nil {
		return nil, fmt.Errorf("make a request: %w", err)
	}
	req.Header.Set("Content-Type", "application/x-ndjson")
	req.Header.Set("User-Agent", c.cfg.Agent)
	if c.cfg.Compression != Plain {
		req.Header.Set("Content-Encoding", c.cfg.Compression)
	}
	if c.cfg.Authorization != "" {
		req.Header.Set("Authorization", c.cfg.Authorization)
	}
	answer, err := c.http.Do(req)
	if err != nil {
		return nil, cause(err)
	}
	defer answer.Body.Close()
	if answer.StatusCode/100 == 1 { // another protocol, of which no deadline of HTTP's knows the end
		return nil, &RefusedError{Status: answer.StatusCode}
	}
	text, err := io.ReadAll(io.LimitReader(answer.Body, maxAnswer+1))
	switch {
	case err != nil:
		return nil, fmt.Errorf("read its answer: %w", err)
	case len(text) > maxAnswer:
		return nil, fmt.Errorf("its answer is longer than %d bytes", maxAnswer)
	case answer.StatusCode/100 == 3:
		return nil, &RefusedError{Status: answer.StatusCode, Text: []byte(answer.Header.Get("Location"))}
	case answer.StatusCode/100 != 2:
		return nil, &RefusedError{Status: answer.StatusCode, Text: text[:min(len(text), 200)]}
	case !c.turn.answered():
		return nil, &UnsentError{}
	}
	return answersOf(c.cfg.Body, text, body, ends)
}

// cause leaves out the address that a request's error repeats.
func cause(err error) error {
	var of *url.Error
	if errors.As(err, &of) {
		return of.Err
	}
	return err
}

// Tend has nothing to ask: every request is answered before the next.
func (c *Client) Tend(time.Time) error { return nil }

// Arrived is how many bytes of the batches were taken.
func (c *Client) Arrived() uint64 { return c.arrived }

// Listen waits for the end: a server that answers requests says nothing unasked.
func (c *Client) Listen() error {
	select {
	case <-c.left:
		return nil
	case <-c.ctx.Done():
		return net.ErrClosed
	}
}

// Leave ends Listen: all that was sent is answered.
func (c *Client) Leave() error {
	c.leave.Do(func() { close(c.left) })
	return nil
}

// Close ends a request under way, and the connection.
func (c *Client) Close() error {
	c.cancel()
	return nil
}

// Peer names the far end.
func (c *Client) Peer() string { return c.peer }

// RefusedError: a request was not taken.
type RefusedError struct {
	Status int
	Text   []byte // the beginning of the answer, or where it redirects to
}

func (e *RefusedError) Error() string {
	if e.Status/100 == 3 {
		return fmt.Sprintf("the server redirects (%d) to %.200q, which is not followed", e.Status, e.Text)
	}
	return fmt.Sprintf("the server refused a request: %d %s: %q", e.Status, http.StatusText(e.Status), e.Text)
}

// Hint says what to do.
func (e *RefusedError) Hint() string {
	switch e.Status {
	case 401, 403:
		return "look at token-file, or user and password-file, and at what the server lets them do"
	case 404, 405:
		return "look at path and body"
	case 429, 502, 503, 504:
		return "the server is busy; it is tried again"
	}
	if e.Status/100 == 3 {
		return "set address, port and path to where the events are to go"
	}
	return "the server's log says why"
}

// PartError: of a request some events were not taken, however often they were sent
// alone. They stay where they are.
type PartError struct {
	Refused, Sent int
	Status        int    // of the first
	Reason        string // of the first
}

func (e *PartError) Error() string {
	return fmt.Sprintf("the server does not take %d of %d events: %d %s", e.Refused, e.Sent, e.Status, e.Reason)
}

// Hint says what to do.
func (e *PartError) Hint() string {
	return "nothing is left out: sending goes on when the server takes them, such as with another mapping of the index"
}
