package forward

import (
	"bytes"
	"compress/gzip"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/forward/https"
	"auditbridge/internal/peertest"
	"auditbridge/internal/terminal"
	"auditbridge/journal"

	"github.com/klauspost/compress/zstd"
)

// request is what a server of ours was sent.
type request struct {
	path, authorization, agent string
	body                       string // as it was before its compression
}

// httpsServer keeps requests and answers them by a function.
type httpsServer struct {
	*httptest.Server
	ca       *peertest.Identity
	mu       sync.Mutex
	requests []request
}

func startHTTPS(t *testing.T, answer func(n int, r request, w http.ResponseWriter)) *httpsServer {
	t.Helper()
	s := &httpsServer{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var in io.Reader = r.Body
		switch r.Header.Get("Content-Encoding") {
		case "gzip":
			in, _ = gzip.NewReader(in)
		case "zstd":
			in, _ = zstd.NewReader(in)
		}
		body, err := io.ReadAll(in)
		if err != nil {
			t.Errorf("a body that cannot be read: %v", err)
		}
		got := request{r.URL.RequestURI(), r.Header.Get("Authorization"), r.Header.Get("User-Agent"), string(body)}
		s.mu.Lock()
		s.requests = append(s.requests, got)
		n := len(s.requests)
		s.mu.Unlock()
		answer(n, got, w)
	}))
	s.ca = peertest.NewCA(t, "Root", nil)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{s.ca.Server(nil, "127.0.0.1").TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	s.TLS.ClientCAs.AppendCertsFromPEM(s.ca.PEM())
	s.StartTLS()
	t.Cleanup(s.Close)
	return s
}

func (s *httpsServer) all() []request {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.requests)
}

// byHTTPS is to, by HTTPS, with a certificate on both sides.
func byHTTPS(t *testing.T, s *httpsServer, body string) (Config, Dialer) {
	t.Helper()
	c := inTLS(t, to(s.Listener.Addr().(*net.TCPAddr).Port), t.TempDir(), s.ca, s.ca.Client("fabric128", nil))
	c.Protocol, c.Format, c.Build, c.Grace = ProtocolHTTPS, FormatJSON, "v1", 5*time.Second
	c.HTTPS = &HTTPS{Path: https.DefaultPath(body), Body: body, Compression: https.Gzip}
	return c, overTLS(t, c, direct{c.withDefaults()})
}

func taken(body string) string {
	switch body {
	case https.HEC:
		return `{"text":"Success","code":0}`
	case https.Elastic:
		return ""
	}
	return "thank you"
}

// bulkAnswer answers for each document of a bulk request by its status.
func bulkAnswer(body string, status func(i int, document string) int) string {
	lines := strings.Split(strings.TrimSuffix(body, "\n"), "\n")
	var items []string
	failed := false
	for i := 0; i+1 < len(lines); i += 2 {
		s := status(i/2, lines[i+1])
		failed = failed || s > 299
		items = append(items, fmt.Sprintf(`{"create":{"_index":"x","status":%d,"error":{"type":"t","reason":"because \u001b[2J"}}}`, s))
	}
	return fmt.Sprintf(`{"took":1,"errors":%v,"items":[%s]}`, failed, strings.Join(items, ","))
}

func allCreated(int, string) int { return 201 }

// serials are those of the events in a body of JSON lines, behind what is around them.
func serials(t *testing.T, kind, body string) (found []float64) {
	t.Helper()
	for i, l := range strings.Split(strings.TrimSuffix(body, "\n"), "\n") {
		if kind == https.Elastic && i%2 == 0 {
			continue // an action
		}
		var object map[string]any
		if err := json.Unmarshal([]byte(l), &object); err != nil {
			t.Fatalf("%q: %v", l, err)
		}
		if inner, ok := object["event"].(map[string]any); ok {
			object = inner
		}
		found = append(found, object["serial"].(float64))
	}
	return found
}

// Every body, compression and way to say who we are reaches the server as its
// interface has it, each event once and in order.
func TestHTTPSBodies(t *testing.T) {
	t.Parallel()
	token := filepath.Join(t.TempDir(), "token")
	if err := os.WriteFile(token, []byte("s3cret\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		body, compression string
		set               func(*HTTPS)
		authorization     string
		looks             string // the first line, as it begins
	}{
		{https.NDJSON, https.Gzip, func(h *HTTPS) { h.TokenFile = token }, "Bearer s3cret", `{"time":"2023-11-14T22:13:20.001Z",`},
		{https.NDJSON, https.Zstd, func(h *HTTPS) { h.User, h.PasswordFile = "audit", token }, "Basic YXVkaXQ6czNjcmV0", `{"time":`},
		{https.NDJSON, https.Plain, func(h *HTTPS) {}, "", `{"time":`},
		{https.HEC, https.Gzip, func(h *HTTPS) { h.TokenFile = token }, "Splunk s3cret", `{"time":1700000000.001,"host":"fabric128","source":"auditbridge","sourcetype":"auditbridge:json","event":{"time":`},
		{https.Elastic, https.Gzip, func(h *HTTPS) { h.TokenFile = token }, "ApiKey s3cret", `{"create":{"_id":"`},
	} {
		t.Run(row.body+" "+row.compression, func(t *testing.T) {
			t.Parallel()
			far := startHTTPS(t, func(_ int, r request, w http.ResponseWriter) {
				io.WriteString(w, taken(row.body))
				if row.body == https.Elastic {
					io.WriteString(w, bulkAnswer(r.body, allCreated))
				}
			})
			c, d := byHTTPS(t, far, row.body)
			c.HTTPS.Compression = row.compression
			row.set(c.HTTPS)
			r := startRelay(t, c, newMemJournal(events(1, 1001)...), d, journal.Cursor{})
			peertest.Until(t, "everything is taken", func() bool { return r.Stats().Delivered == 3000 })
			r.end(t)
			var got []float64
			for _, q := range far.all() {
				if q.path != https.DefaultPath(row.body) || q.authorization != row.authorization || q.agent != "auditbridge/v1" {
					t.Fatalf("%+v", q)
				}
				if !strings.HasPrefix(q.body, row.looks) && len(got) == 0 {
					t.Errorf("a body begins with %.80q, want %q", q.body, row.looks)
				}
				got = append(got, serials(t, row.body, q.body)...)
			}
			if len(got) != 1000 || !slices.IsSorted(got) {
				t.Errorf("%d events, want 1000 in order", len(got))
			}
		})
	}
}

// Of a bulk request what was not taken is sent again, alone.
func TestElasticTakesAPart(t *testing.T) {
	t.Parallel()
	far := startHTTPS(t, func(n int, r request, w http.ResponseWriter) {
		io.WriteString(w, bulkAnswer(r.body, func(i int, _ string) int {
			if n == 1 && (i == 1 || i == 3) {
				return 429
			}
			return []int{200, 201, 409}[i%3] // 409: it is there already
		}))
	})
	c, d := byHTTPS(t, far, https.Elastic)
	r := startRelay(t, c, newMemJournal(events(1, 6)...), d, journal.Cursor{})
	peertest.Until(t, "everything is taken", func() bool { return r.Stats().Delivered == 15 })
	r.end(t)
	all := far.all()
	if len(all) != 2 || !slices.Equal(serials(t, https.Elastic, all[1].body), []float64{2, 4}) {
		t.Errorf("%d requests; the second is %q", len(all), all[len(all)-1].body)
	}
	if first := strings.SplitN(all[0].body, "\n", 4); !strings.Contains(all[1].body, first[2]) {
		t.Errorf("the second time a document has another name: %q, before %q", all[1].body, first[2])
	}
}

// What a server does not take stays here, and is told with its reason; what it says is
// no order to us.
func TestHTTPSServersThatRefuse(t *testing.T) {
	t.Parallel()
	stranger := startHTTPS(t, func(_ int, _ request, w http.ResponseWriter) {})
	const ok, nothing = "HTTP/1.1 200 OK\r\n", "Content-Length: 0\r\n\r\n"
	raw := func(act func(c net.Conn)) func(int, request, http.ResponseWriter) {
		return func(_ int, _ request, w http.ResponseWriter) {
			c, _, err := w.(http.Hijacker).Hijack()
			if err != nil {
				t.Error(err)
				return
			}
			defer c.Close()
			act(c)
		}
	}
	says := func(text string) func(net.Conn) {
		return func(c net.Conn) { io.WriteString(c, text); io.Copy(io.Discard, c) }
	}
	forEver := func(text, again string) func(net.Conn) {
		return func(c net.Conn) {
			for _, err := io.WriteString(c, text); err == nil; _, err = io.WriteString(c, again) {
			}
		}
	}
	inDrops := func(text, again string) func(net.Conn) {
		return func(c net.Conn) {
			for _, err := io.WriteString(c, text); err == nil; _, err = io.WriteString(c, again) {
				time.Sleep(20 * time.Millisecond)
			}
		}
	}
	bomb := func() string {
		var b strings.Builder
		w := gzip.NewWriter(&b)
		w.Write(make([]byte, 64<<20))
		w.Close()
		return b.String()
	}()
	const tooLate = "deadline exceeded"
	for _, row := range []struct {
		name, body string
		answer     func(n int, r request, w http.ResponseWriter)
		says, hint string
	}{
		{"not allowed", https.NDJSON, func(_ int, _ request, w http.ResponseWriter) {
			http.Error(w, "who are you\x1b[2J", http.StatusUnauthorized)
		}, `401 Unauthorized: "who are you\x1b[2J\n"`, "token-file"},
		{"redirects", https.NDJSON, func(_ int, _ request, w http.ResponseWriter) {
			w.Header().Set("Location", stranger.URL)
			w.WriteHeader(307)
		}, "redirects (307) to \"" + stranger.URL, "address, port and path"},
		{"breaks off", https.NDJSON, func(_ int, _ request, w http.ResponseWriter) {
			w.Header().Set("Content-Length", "1000")
			io.WriteString(w, "half")
		}, "unexpected EOF", ""},
		{"breaks off in a header", https.NDJSON, raw(func(c net.Conn) { io.WriteString(c, ok+"Content-Length: 5\r\n") }), "unexpected EOF", ""},
		{"is late", https.NDJSON, func(int, request, http.ResponseWriter) { time.Sleep(500 * time.Millisecond) }, "", ""},
		{"never answers", https.NDJSON, raw(says("")), tooLate, ""},
		{"answers twice", https.NDJSON, raw(says(ok + nothing + ok + nothing)), "", ""},
		{"answers in drops", https.NDJSON, raw(inDrops(ok+"Content-Length: 1000000\r\n\r\n", "x")), tooLate, ""},
		{"has a header in drops", https.NDJSON, raw(inDrops(ok, "X: y\r\n")), tooLate, ""},
		{"has a header without end", https.NDJSON, raw(forEver(ok+"X: ", strings.Repeat("y", 10_000))), "headers exceeded 65536 bytes", ""},
		{"has headers without end", https.NDJSON, raw(forEver(ok, "X: y\r\n")), "headers exceeded 65536 bytes", ""},
		{"has a header that is none", https.NDJSON, raw(says(ok + strings.Repeat("\x1b[2J", 10_000) + "\r\n\r\n")), `malformed MIME header: missing colon: "\x1b[2J`, ""},
		{"is no HTTP server", https.NDJSON, raw(says(strings.Repeat("\x1b[2J", 10_000) + "\r\n")), `malformed HTTP`, ""},
		{"hints without end", https.NDJSON, raw(forEver("", "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n")), "headers exceeded 65536 bytes", ""},
		{"wants another protocol and says no more", https.NDJSON, raw(says("HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: x\r\n\r\n")), "refused a request: 101", ""},
		{"has an answer that unfolds", https.HEC, raw(says(fmt.Sprintf("%sContent-Encoding: gzip\r\nContent-Length: %d\r\n\r\n%s", ok, len(bomb), bomb))), "not that of an HTTP Event Collector", ""},
		{"is endless", https.NDJSON, func(_ int, _ request, w http.ResponseWriter) { w.Write(make([]byte, 5<<20)) }, "longer than 4194304 bytes", ""},
		{"is busy for a second", https.NDJSON, func(n int, _ request, w http.ResponseWriter) {
			if n < 3 {
				w.Header().Set("Retry-After", "1")
				w.WriteHeader(503)
			}
		}, "", ""},
		{"is no collector", https.HEC, func(_ int, _ request, w http.ResponseWriter) { io.WriteString(w, "<html>") }, "not that of an HTTP Event Collector", ""},
		{"collector refuses", https.HEC, func(_ int, _ request, w http.ResponseWriter) {
			io.WriteString(w, `{"text":"Server is busy","code":9}`)
		}, `code 9: "Server is busy"`, ""},
		{"is no index", https.Elastic, func(_ int, _ request, w http.ResponseWriter) { io.WriteString(w, "[]") }, "not that of a bulk request", ""},
		{"answers for too few", https.Elastic, func(_ int, _ request, w http.ResponseWriter) { io.WriteString(w, `{"errors":false,"items":[]}`) }, "answers for 0 documents where 5 were sent", ""},
		{"does not take one, ever", https.Elastic, func(_ int, r request, w http.ResponseWriter) {
			io.WriteString(w, bulkAnswer(r.body, func(i int, d string) int {
				if strings.Contains(d, `"serial":3`) {
					return 400
				}
				return 201
			}))
		}, `does not take 1 of 5 events: 400 "t": "because \x1b[2J"`, "mapping"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			var mu sync.Mutex
			well := false
			far := startHTTPS(t, func(n int, r request, w http.ResponseWriter) {
				mu.Lock()
				now := well
				mu.Unlock()
				switch {
				case !now:
					row.answer(n, r, w)
				case row.body == https.Elastic:
					io.WriteString(w, bulkAnswer(r.body, allCreated))
				default:
					io.WriteString(w, taken(row.body))
				}
			})
			c, d := byHTTPS(t, far, row.body)
			c.AckTimeout = 2 * time.Second
			r := startRelay(t, c, newMemJournal(events(1, 6)...), d, journal.Cursor{})
			if row.says != "" {
				peertest.Until(t, "it is told", func() bool {
					s := r.Stats()
					if len(s.LastError) > 2000 || s.LastError != terminal.Safe(s.LastError) {
						t.Errorf("%d bytes are told, or what no screen should have: %.400q", len(s.LastError), s.LastError)
					}
					return !s.Connected && strings.Contains(s.LastError, row.says) && strings.Contains(s.Hint, row.hint)
				})
				if s := r.Stats(); s.Delivered != 0 {
					t.Errorf("%d delivered", s.Delivered)
				}
				mu.Lock()
				well = true
				mu.Unlock()
			}
			peertest.Until(t, "everything is taken", func() bool { return r.Stats().Delivered == 15 })
			r.end(t)
		})
	}
	t.Cleanup(func() {
		if n := len(stranger.all()); n > 0 {
			t.Errorf("%d requests went where a server redirected to", n)
		}
	})
}

// What the environment says of proxies is not obeyed.
func TestHTTPSIgnoresProxies(t *testing.T) {
	proxy := startSink(t)
	for _, name := range []string{"HTTPS_PROXY", "https_proxy", "ALL_PROXY"} {
		t.Setenv(name, fmt.Sprintf("http://127.0.0.1:%d", proxy.port()))
	}
	far := startHTTPS(t, func(int, request, http.ResponseWriter) {})
	c, d := byHTTPS(t, far, https.NDJSON)
	r := startRelay(t, c, newMemJournal(events(1, 6)...), d, journal.Cursor{})
	peertest.Until(t, "everything is taken", func() bool { return r.Stats().Delivered == 15 })
	r.end(t)
	proxy.mu.Lock()
	defer proxy.mu.Unlock()
	if len(proxy.conns) > 0 {
		t.Error("the proxy was asked")
	}
}

// A secret is only read from a file that is nobody else's, and is one line.
func TestSecretsOfHTTPS(t *testing.T) {
	for _, row := range []struct {
		mode os.FileMode
		text string
		want string
	}{{0o600, "s", ""}, {0o644, "s", "lets others at it"}, {0o600, "", "one line"}, {0o600, "a\nb\n", "one line"}} {
		path := filepath.Join(t.TempDir(), "secret")
		if err := os.WriteFile(path, []byte(row.text), row.mode); err != nil {
			t.Fatal(err)
		}
		_, err := (&HTTPS{TokenFile: path}).authorization()
		if row.want == "" && err != nil || row.want != "" && (err == nil || !strings.Contains(err.Error(), row.want)) {
			t.Errorf("mode %o, %q: %v, want %q", row.mode, row.text, err, row.want)
		}
		if err != nil && bytes.Contains([]byte(err.Error()), []byte("a\nb")) {
			t.Errorf("%v tells the secret", err)
		}
	}
}
