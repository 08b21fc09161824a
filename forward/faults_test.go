package forward

import (
	"crypto/tls"
	"flag"
	"fmt"
	"io"
	"log"
	"math/rand/v2"
	"net"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/https"
	"auditbridge/internal/peertest"
	"auditbridge/journal"

	"github.com/Shopify/toxiproxy/v2/toxics"
)

var faultSeed = flag.Uint64("faults.seed", 0, "of TestEveryTransportAgainstEveryFault; 0 is another one each time")

// fault is what a network does to connections, as far as chance decides: to all of
// them, or to the first few.
type fault struct {
	name   string
	stays  bool
	silent bool // nobody is told, for a while
	away   bool // the way is closed when it has carried something, and opened again
	dice   func(random *rand.Rand) (up, down *peertest.Fault)
}

// few is one connection for each of a crossing's two relays.
const few = 2

// oneWay is a toxic behind some bytes, towards the far end or, more seldom, from it.
func oneWay(random *rand.Rand, toxic toxics.Toxic) (up, down *peertest.Fault) {
	if random.IntN(3) > 0 {
		return &peertest.Fault{Toxic: toxic, After: random.Int64N(30_000)}, nil
	}
	return nil, &peertest.Fault{Toxic: toxic, After: random.Int64N(3000)}
}

func bothWays(toxic func() toxics.Toxic) (up, down *peertest.Fault) {
	return &peertest.Fault{Toxic: toxic()}, &peertest.Fault{Toxic: toxic()}
}

var networkFaults = []fault{
	{name: "latency and jitter", stays: true, dice: func(random *rand.Rand) (up, down *peertest.Fault) {
		return bothWays(func() toxics.Toxic { return &toxics.LatencyToxic{Latency: 20 + random.Int64N(40), Jitter: 20} })
	}},
	{name: "little bandwidth", stays: true, dice: func(random *rand.Rand) (up, down *peertest.Fault) {
		return bothWays(func() toxics.Toxic { return &toxics.BandwidthToxic{Rate: 50 + random.Int64N(200)} })
	}},
	{name: "tiny pieces", stays: true, dice: func(random *rand.Rand) (up, down *peertest.Fault) {
		return bothWays(func() toxics.Toxic {
			size := 3 + random.IntN(20)
			return &toxics.SlicerToxic{AverageSize: size, SizeVariation: random.IntN(size)}
		})
	}},
	{name: "slow close", stays: true, dice: func(random *rand.Rand) (up, down *peertest.Fault) {
		return bothWays(func() toxics.Toxic { return &toxics.SlowCloseToxic{Delay: random.Int64N(500)} })
	}},
	{name: "closed in the middle", dice: func(random *rand.Rand) (up, down *peertest.Fault) {
		return oneWay(random, &toxics.LimitDataToxic{Bytes: random.Int64N(2000)})
	}},
	{name: "reset", dice: func(random *rand.Rand) (up, down *peertest.Fault) {
		return oneWay(random, &toxics.ResetToxic{Timeout: random.Int64N(100)})
	}},
	{name: "swallowed", silent: true, dice: func(random *rand.Rand) (up, down *peertest.Fault) {
		return oneWay(random, &toxics.TimeoutToxic{Timeout: 2000})
	}},
	{name: "down and up", away: true, dice: func(*rand.Rand) (up, down *peertest.Fault) { return nil, nil }},
}

// farEnd is a receiver, and the way to it once a proxy stands in front of port.
type farEnd struct {
	name     string
	port     int
	sealed   bool // nothing on the way can be read
	to       func(t *testing.T, port int, silent bool) (Config, Dialer)
	received func() []string
}

// farEnds has one for each transport; all but the HTTPS server are stock.
func farEnds(t *testing.T) []*farEnd {
	ca := peertest.NewCA(t, "Root", nil)
	server, client := ca.Server(nil, "127.0.0.1"), ca.Client("fabric128", nil)
	imtcp, sshd := peertest.StartRsyslog(t), peertest.StartSSHD(t)
	gtls, imrelp := peertest.StartRsyslogTLS(t, ca, server, "fabric128"), peertest.StartRELP(t)
	relpTLS, auditd := peertest.StartRELPTLS(t, ca, server), peertest.StartAuditdReceiver(t, "64m", "")
	web := startCollector(t, server.TLS())
	plain := func(protocol string) func(*testing.T, int, bool) (Config, Dialer) {
		return func(t *testing.T, port int, silent bool) (Config, Dialer) {
			c := toward(protocol, port, silent)
			return c, direct{c.withDefaults()}
		}
	}
	secured := func(protocol string, set func(*Config)) func(*testing.T, int, bool) (Config, Dialer) {
		return func(t *testing.T, port int, silent bool) (Config, Dialer) {
			c := inTLS(t, toward(protocol, port, silent), t.TempDir(), ca, client)
			c.Protocol = protocol
			set(&c)
			return c, overTLS(t, c, direct{c.withDefaults()})
		}
	}
	nothing := func(*Config) {}
	return []*farEnd{
		{name: "tcp", port: imtcp.Port, to: plain(ProtocolTCP), received: imtcp.Received},
		{name: "tcp in ssh", port: sshd.Port, sealed: true, received: imtcp.Received, to: func(t *testing.T, port int, silent bool) (Config, Dialer) {
			c, cfg := toward(ProtocolTCP, imtcp.Port, silent), tunnelConfig(sshd, port)
			cfg.KnownHosts = filepath.Join(t.TempDir(), "known_hosts")
			writeKnownHosts(t, cfg.KnownHosts, peertest.KnownHostsLine(t, port, sshd.HostKey))
			cfg.KeepaliveTimeout, cfg.HandshakeTimeout = c.AckTimeout, peertest.Patience
			return c, tunnelOf(t, cfg, c)
		}},
		{name: "tls", port: gtls.Port, sealed: true, to: secured(ProtocolTLS, nothing), received: gtls.Received},
		{name: "relp", port: imrelp.Port, to: plain(ProtocolRELP), received: imrelp.Received},
		{name: "relp in tls", port: relpTLS.Port, sealed: true, to: secured(ProtocolRELP, nothing), received: relpTLS.Received},
		{name: "auditd", port: auditd.Port, to: plain(ProtocolAuditd), received: auditd.Received},
		{name: "https", port: web.port(), sealed: true, received: web.all, to: secured(ProtocolHTTPS, func(c *Config) {
			c.Format, c.HTTPS = FormatJSON, &HTTPS{Path: "/", Body: https.NDJSON, Compression: https.Plain}
		})},
	}
}

// toward is to, by a protocol. What has only come to the far host counts when it closes
// in order, not after five seconds: how long they are is the machine's affair. Where
// bytes are swallowed, who answers nothing is given up soon.
func toward(protocol string, port int, silent bool) Config {
	c := to(port)
	c.Protocol, c.Settle, c.AckTimeout = protocol, time.Hour, peertest.Patience
	if silent {
		c.AckTimeout = 4 * time.Second
	}
	return c
}

// collector is an HTTPS server that keeps the lines of requests which came whole.
type collector struct {
	*httptest.Server
	mu    sync.Mutex
	lines []string
}

func startCollector(t *testing.T, certificate tls.Certificate) *collector {
	t.Helper()
	s := &collector{}
	s.Server = httptest.NewUnstartedServer(http.HandlerFunc(func(_ http.ResponseWriter, r *http.Request) {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return
		}
		s.mu.Lock()
		defer s.mu.Unlock()
		s.lines = append(s.lines, strings.Split(strings.TrimSuffix(string(body), "\n"), "\n")...)
	}))
	s.Config.ErrorLog = log.New(io.Discard, "", 0)
	s.TLS = &tls.Config{Certificates: []tls.Certificate{certificate}}
	s.StartTLS()
	t.Cleanup(func() { s.CloseClientConnections(); s.Close() })
	return s
}

func (s *collector) port() int { return s.Listener.Addr().(*net.TCPAddr).Port }

func (s *collector) all() []string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return slices.Clone(s.lines)
}

// TestEveryTransportAgainstEveryFault: whatever the network does, a relay that is
// stopped in the middle of it has passed nothing that is not at the far end, and
// another that goes on from there brings everything, in order; and nothing that is to
// be sealed is ever on the wire in clear.
func TestEveryTransportAgainstEveryFault(t *testing.T) {
	t.Parallel()
	seed := *faultSeed
	if seed == 0 {
		seed = rand.Uint64()
	}
	t.Logf("-faults.seed=%d", seed)
	var sent sync.Map
	ends := farEnds(t)
	t.Run("each", func(t *testing.T) {
		for i, f := range networkFaults {
			for k, far := range ends {
				t.Run(far.name+"/"+f.name, func(t *testing.T) {
					t.Parallel()
					n := i*len(ends) + k
					x := crossing{far: far, fault: f, random: rand.New(rand.NewPCG(seed, uint64(n))), lines: events(1000*n, 1000*n+100), sent: &sent}
					x.try(t)
				})
			}
		}
	})
	for _, far := range ends {
		for _, m := range far.received() {
			if _, ok := sent.Load(m); !ok && !(far.name == "auditd" && begins(&sent, m)) {
				t.Errorf("%s has what was never sent: %q", far.name, m)
			}
		}
	}
}

// begins tells whether a message that was sent begins so: a stock auditd logs what it has
// of a record when the connection breaks within it.
func begins(sent *sync.Map, part string) (found bool) {
	sent.Range(func(m, _ any) bool {
		found = strings.HasPrefix(m.(string), part)
		return !found
	})
	return found
}

// crossing is one relay's way to one far end, through one fault.
type crossing struct {
	far    *farEnd
	fault  fault
	random *rand.Rand
	lines  []string
	sent   *sync.Map // all messages of all crossings

	messages []string               // what lines are to the far end
	made     []auditbridge.Sequence // of each, the line that let it go
	proxy    *peertest.Proxy
}

func (x *crossing) try(t *testing.T) {
	x.proxy = peertest.StartProxy(t, fmt.Sprintf("127.0.0.1:%d", x.far.port))
	x.proxy.Fault(x.meet)
	c, way := x.far.to(t, x.proxy.Port, x.fault.silent)
	x.foresee(c)
	half := len(x.lines) / 2
	j := newMemJournal(x.lines[:half]...)

	hasty := c
	hasty.Grace = time.Millisecond
	r := startRelay(t, hasty, j, way, journal.Cursor{})
	if x.fault.away {
		peertest.Until(t, "something arrives", func() bool { return len(x.arrived()) > 0 })
		x.proxy.Refuse(true)
		x.proxy.Cut()
	}
	peertest.Until(t, "the fault shows, or all arrives in spite of it", func() bool {
		n := len(x.arrived())
		return x.fault.stays && n > 0 || n >= x.upTo(auditbridge.Sequence(half)) || slices.ContainsFunc(r.seen.told(), func(l string) bool { return strings.HasPrefix(l, "up=false") })
	})
	r.end(t)
	cursor := r.seen.at()
	x.check(t, cursor)

	r = startRelay(t, c, j, way, cursor)
	j.append(x.lines[half:]...)
	if x.fault.away {
		peertest.Until(t, "the closed way is told", func() bool { return r.Stats().LastError != "" })
		x.proxy.Refuse(false)
	}
	peertest.Until(t, "everything arrives", func() bool { return len(x.arrived()) == len(x.messages) })
	x.settle(t, c, r)
	r.end(t)
	x.check(t, r.seen.at())
	if s := r.Stats(); s.Pending > 0 || s.Delivered+s.Excluded != uint64(len(x.lines)) || s.Missed > 0 {
		t.Errorf("the books say %+v, want %d records delivered or excluded", s, len(x.lines))
	}
	seen := x.proxy.Seen()
	for _, marker := range []string{"type=SYSCALL", `"serial":`, "auditbridge@", "fabric128"} {
		if x.far.sealed && strings.Contains(seen, marker) {
			t.Errorf("%q passed the wire in clear", marker)
		}
	}
}

// settle waits until all that has arrived counts, or will when r ends.
func (x *crossing) settle(t *testing.T, c Config, r *running) {
	t.Helper()
	if PromiseOf(c.Protocol) == Acknowledged {
		peertest.Until(t, "everything is acknowledged", func() bool { return r.Stats().Pending == 0 })
		return
	}
	peertest.Until(t, "a connection without a fault is there", func() bool {
		if x.proxy.Accepted() <= few && !x.fault.stays {
			x.proxy.Cut()
			return false
		}
		return r.Stats().Connected
	})
}

// meet is the fault of the connection of that number.
func (x *crossing) meet(n int) (up, down *peertest.Fault) {
	if n > few && !x.fault.stays {
		return nil, nil
	}
	return x.fault.dice(x.random)
}

// foresee notes what the far end is to receive.
func (x *crossing) foresee(c Config) {
	c = c.withDefaults()
	at := auditbridge.Sequence(0)
	s, _ := newStream(&c, journal.Cursor{Journal: journal.ID{1}}, new(census), func(batch, message []byte) []byte {
		x.messages, x.made = append(x.messages, string(message)), append(x.made, at)
		return batch
	})
	for _, l := range x.lines {
		at++
		s.push(at, []byte(l))
	}
	s.end()
	for _, m := range x.messages {
		x.sent.Store(m, true)
	}
}

// upTo is how many messages the lines up to seq make.
func (x *crossing) upTo(seq auditbridge.Sequence) int {
	n, _ := slices.BinarySearch(x.made, seq+1)
	return n
}

// arrived are those of the messages that the far end has, each once, in the order in
// which it had them first.
func (x *crossing) arrived() (have []string) {
	mine, seen := map[string]bool{}, map[string]bool{}
	for _, m := range x.messages {
		mine[m] = true
	}
	for _, m := range x.far.received() {
		if mine[m] && !seen[m] {
			seen[m] = true
			have = append(have, m)
		}
	}
	return have
}

// check holds a relay that has ended to its promise: what it has passed is at the far
// end, or comes there without its doing anything more; and in order, without a gap.
func (x *crossing) check(t *testing.T, cursor journal.Cursor) {
	t.Helper()
	passed := x.upTo(cursor.At)
	peertest.Until(t, fmt.Sprintf("the %d messages that were passed are at the far end", passed), func() bool { return len(x.arrived()) >= passed })
	if have := x.arrived(); !slices.Equal(have, x.messages[:len(have)]) {
		t.Errorf("of %d messages at the far end, %d passed, some are out of order, or others are missing between them", len(have), passed)
	}
}
