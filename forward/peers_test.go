package forward

import (
	"context"
	"fmt"
	"net"
	"os"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/peertest"
	"auditbridge/journal"

	"golang.org/x/sys/unix"
)

// tunnelTo is a dialer through a stock sshd.
func tunnelTo(t testing.TB, s *peertest.SSHD, sshPort int, c Config) Dialer {
	t.Helper()
	return tunnelOf(t, tunnelConfig(s, sshPort), c)
}

// tunnelConfig takes a peer that does not get to run for no dead one.
func tunnelConfig(s *peertest.SSHD, sshPort int) tunnel.Config {
	return tunnel.Config{Name: "siem-tunnel", ServerAddress: "127.0.0.1", ServerPort: sshPort, User: s.User, IdentityFile: s.Identity, KnownHosts: s.KnownHosts,
		ConnectTimeout: peertest.Patience, HandshakeTimeout: peertest.Patience, KeepaliveInterval: 200 * time.Millisecond, KeepaliveTimeout: peertest.Patience}
}

func tunnelOf(t testing.TB, cfg tunnel.Config, c Config) Dialer {
	t.Helper()
	tun, err := tunnel.New(cfg, discard)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tun.Close() })
	return tunnelled{tun, c}
}

// to keeps the five seconds of the promise: on a loaded machine the stock peers
// may need more than a fraction of one to pass on what they have taken. The
// tests that wait for them run side by side.
func to(port int) Config {
	c := testConfig(FormatRecord)
	c.Port, c.Grace = port, peertest.Patience
	return c
}

// onceEach drops what came again, and fails on lines that were never sent:
// torn or foreign ones.
func onceEach(t *testing.T, got, sent []string) (lines []string) {
	t.Helper()
	known, seen := map[string]bool{}, map[string]bool{}
	for _, l := range sent {
		known[l] = true
	}
	for _, l := range got {
		if !known[l] {
			t.Fatalf("the far end has a line that was never sent: %q", l)
		}
		if !seen[l] {
			seen[l] = true
			lines = append(lines, l)
		}
	}
	return lines
}

func TestThroughStockSSHDToStockRsyslog(t *testing.T) {
	t.Parallel()
	far, s := peertest.StartRsyslog(t), peertest.StartSSHD(t)
	c := to(far.Port)
	lines := events(0, 20_000)
	j := newMemJournal(lines...)
	r := startRelay(t, c, j, tunnelTo(t, s, s.Port, c), journal.Cursor{})
	peertest.Until(t, "everything arrived", func() bool { return r.Stats().Pending == 0 })
	r.end(t)
	peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
	if got := rawLines(far.Received()); !slices.Equal(got, lines) {
		t.Errorf("rsyslog has %d lines, want the %d sent, in order, each once", len(got), len(lines))
	}
	if c := r.seen.at(); int(c.At) != len(lines) || int(c.Delivered) != len(lines) {
		t.Errorf("cursor %+v", c)
	}
}

// The link is cut after every number of bytes that two messages have; each cut
// is a relay of its own, all to one rsyslog.
func TestLinkCutAtEveryByte(t *testing.T) {
	t.Parallel()
	far := peertest.StartRsyslog(t)
	probe, _ := play(t, to(far.Port), journal.Cursor{}, []string{loginEvent(10001), loginEvent(10002)})
	length := len(fmt.Sprintf("%d %s%d %s", len(probe[0]), probe[0], len(probe[1]), probe[1]))
	var all []string
	var relays sync.WaitGroup
	for cut := range length + 1 {
		lines := []string{loginEvent(10001 + 2*cut), loginEvent(10002 + 2*cut)}
		all = append(all, lines...)
		proxy := peertest.StartProxy(t, fmt.Sprintf("127.0.0.1:%d", far.Port))
		proxy.CutNext(int64(cut))
		c := to(proxy.Port)
		r := startRelay(t, c, newMemJournal(lines...), direct{c.withDefaults()}, journal.Cursor{})
		relays.Go(func() {
			for end := time.Now().Add(peertest.Patience); !(proxy.Accepted() >= 2 && r.Stats().Connected) && time.Now().Before(end); {
				time.Sleep(20 * time.Millisecond)
			}
			r.stop() // in order: the far end's close says that it has all
			<-r.done
			if n := r.Stats().Delivered; n != 2 {
				t.Errorf("cut at byte %d: %d delivered", cut, n)
			}
		})
	}
	relays.Wait()
	received := func() []string { return onceEach(t, rawLines(far.Received()), all) }
	peertest.Until(t, "every record arrived", func() bool { return len(received()) == len(all) })
}

// load appends events until stopped, and returns all it appended.
func load(j *memJournal, perTick int) (stop func() []string) {
	var lines []string
	done, ended := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(ended)
		for serial := 1; ; serial += perTick {
			select {
			case <-done:
				return
			case <-time.After(5 * time.Millisecond):
				batch := events(serial, serial+perTick)
				lines = append(lines, batch...)
				j.append(batch...)
			}
		}
	}()
	return func() []string { close(done); <-ended; return lines }
}

// What stands between goes away under load, in every way there is, and comes
// back; far is down for as long as it takes for a backlog to build up.
func TestFarEndDownUnderLoad(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name     string
		down, up func(t *testing.T, s *peertest.SSHD, far *peertest.Rsyslog, p *peertest.Proxy)
		silence  time.Duration // after which a connection is dead
	}{
		{"sshd killed",
			func(t *testing.T, s *peertest.SSHD, far *peertest.Rsyslog, p *peertest.Proxy) { s.Kill() },
			func(t *testing.T, s *peertest.SSHD, far *peertest.Rsyslog, p *peertest.Proxy) { s.Start(t) }, peertest.Patience},
		{"black hole",
			func(t *testing.T, s *peertest.SSHD, far *peertest.Rsyslog, p *peertest.Proxy) { p.Pause() },
			func(t *testing.T, s *peertest.SSHD, far *peertest.Rsyslog, p *peertest.Proxy) { p.Cut(); p.Resume() }, 4 * time.Second},
		{"reset and refused",
			func(t *testing.T, s *peertest.SSHD, far *peertest.Rsyslog, p *peertest.Proxy) {
				p.Refuse(true)
				p.Cut()
			},
			func(t *testing.T, s *peertest.SSHD, far *peertest.Rsyslog, p *peertest.Proxy) { p.Refuse(false) }, peertest.Patience},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			far, s := peertest.StartRsyslog(t), peertest.StartSSHD(t)
			proxy := peertest.StartProxy(t, fmt.Sprintf("127.0.0.1:%d", s.Port))
			known := peertest.KnownHostsLine(t, proxy.Port, s.HostKey)
			writeKnownHosts(t, s.KnownHosts, known)
			c, cfg := to(far.Port), tunnelConfig(s, proxy.Port)
			cfg.KeepaliveTimeout = row.silence
			j := newMemJournal()
			stopLoad := load(j, 20)
			r := startRelay(t, c, j, tunnelOf(t, cfg, c), journal.Cursor{})
			peertest.Until(t, "records flow", func() bool { return r.Stats().Delivered > 1000 })
			row.down(t, s, far, proxy)
			peertest.Until(t, "the relay notices", func() bool { return !r.Stats().Connected })
			backlog := r.Stats().Delivered + 5000
			peertest.Until(t, "a backlog builds up", func() bool { return uint64(j.Durable()) > backlog })
			if s := r.Stats(); s.LastError == "" {
				t.Errorf("%+v: no reason", s)
			}
			row.up(t, s, far, proxy)
			delivered := r.Stats().Delivered
			peertest.Until(t, "records flow again", func() bool { return r.Stats().Delivered > delivered+1000 })
			lines := stopLoad()
			peertest.Until(t, "everything is delivered", func() bool { return r.Stats().Delivered == uint64(len(lines)) })
			r.end(t)
			peertest.Until(t, "everything is in the file", func() bool {
				return slices.Equal(sortedLines(onceEach(t, rawLines(far.Received()), lines)), sortedLines(lines))
			})
		})
	}
}

func sortedLines(lines []string) []string { return slices.Sorted(slices.Values(lines)) }

// Two destinations behind one SSH connection: that one of them reads nothing
// costs the other nothing.
func TestDeafNeighbourInTheSameTunnel(t *testing.T) {
	t.Parallel()
	far, s := startSink(t), peertest.StartSSHD(t)
	deaf, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer deaf.Close()
	j := newMemJournal()
	shared := tunnelTo(t, s, s.Port, Config{}).(tunnelled).tunnel
	var relays []*running
	for _, port := range []int{deaf.Addr().(*net.TCPAddr).Port, far.port()} {
		c := to(port)
		c.Grace, c.Settle = time.Second, time.Hour
		relays = append(relays, startRelay(t, c, j, tunnelled{shared, c}, journal.Cursor{}))
	}
	peertest.Until(t, "both are connected", func() bool { return relays[0].Stats().Connected && relays[1].Stats().Connected })
	lines := events(0, 100_000) // more than all windows and buffers between hold
	j.append(lines...)
	peertest.Until(t, "the other has everything", func() bool { return len(far.received()) == len(lines) })
	for _, r := range relays {
		r.end(t)
	}
	peertest.Until(t, "sshd has said who came", func() bool { return strings.Contains(s.Output(), "Accepted publickey") })
	if n := strings.Count(s.Output(), "Accepted publickey"); n != 1 {
		t.Errorf("%d SSH connections, want one", n)
	}
	if n := relays[0].Stats().Delivered; n != 0 {
		t.Errorf("%d records delivered to who reads nothing", n)
	}
}

// While the log server is away its port is closed: the reason is told, with a
// hint, and sending goes on when it is back.
func TestLogServerAwayAndBack(t *testing.T) {
	t.Parallel()
	far, s := peertest.StartRsyslog(t), peertest.StartSSHD(t)
	c := to(far.Port)
	j := newMemJournal(events(0, 10)...)
	r := startRelay(t, c, j, tunnelTo(t, s, s.Port, c), journal.Cursor{})
	peertest.Until(t, "delivered", func() bool { return r.Stats().Delivered == 30 })
	far.Kill()
	j.append(events(10, 20)...)
	peertest.Until(t, "the closed port is told", func() bool {
		s := r.Stats()
		return strings.Contains(s.LastError, "cannot connect there") && s.Hint != ""
	})
	far.Start(t)
	peertest.Until(t, "all is delivered", func() bool { return r.Stats().Delivered == 60 })
	r.end(t)
	lines := events(0, 20)
	peertest.Until(t, "all is in the file", func() bool {
		return slices.Equal(sortedLines(onceEach(t, rawLines(far.Received()), lines)), sortedLines(lines))
	})
}

// A relay that is stopped and started anew goes on where it was: with the
// cursor nothing comes twice, without it everything does.
func TestRestart(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name   string
		keep   bool
		twice  int
		format string
	}{{"with its cursor", true, 0, FormatRecord}, {"without it", false, 30, FormatRecord}, {"events with the cursor", true, 0, FormatEvent}} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			far := startSink(t)
			c := to(far.port())
			c.Format = row.format
			j := newMemJournal(events(0, 10)...)
			r := startRelay(t, c, j, direct{c.withDefaults()}, journal.Cursor{})
			peertest.Until(t, "delivered", func() bool { return r.Stats().Delivered == 30 })
			r.end(t)
			j.append(events(10, 20)...)
			cursor := journal.Cursor{}
			if row.keep {
				cursor = r.seen.at()
			}
			r = startRelay(t, c, j, direct{c.withDefaults()}, cursor)
			peertest.Until(t, "delivered", func() bool { return r.Stats().Pending == 0 && r.Stats().Delivered > 0 })
			r.end(t)
			want := 60 + row.twice
			if row.format == FormatEvent {
				want = 20
			}
			if got := len(far.received()); got != want {
				t.Errorf("%d messages, want %d", got, want)
			}
		})
	}
}

// A far end that talks back, and one that closes in the middle of a frame.
func TestUnrulyFarEnds(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name string
		act  func(n int, c *sinkConn)
	}{
		{"sends bytes", func(n int, c *sinkConn) {
			c.Write([]byte(strings.Repeat("hello, I am no syslog server\x1b[31m\n", 1000)))
		}},
		{"closes mid-frame, twice", func(n int, c *sinkConn) {
			if n <= 2 {
				c.Read(make([]byte, 17))
				c.Close()
			}
		}},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			far := startSink(t)
			var count atomic.Int32
			front := startFront(t, far, func(c *sinkConn) { row.act(int(count.Add(1)), c) })
			c := to(front)
			lines := events(0, 50)
			r := startRelay(t, c, newMemJournal(lines...), direct{c.withDefaults()}, journal.Cursor{})
			peertest.Until(t, "everything is delivered", func() bool { return r.Stats().Delivered == uint64(len(lines)) })
			r.end(t)
			if got := onceEach(t, rawLines(far.received()), lines); !slices.Equal(got, lines) {
				t.Errorf("%d lines arrived, want %d", len(got), len(lines))
			}
		})
	}
}

// Memory is bounded whatever is pending: what waits in the relay does not grow
// with the backlog.
func TestBacklogCostsNoMemory(t *testing.T) {
	t.Parallel()
	far := startSink(t)
	c := to(far.port())
	lines := events(0, 100_000)
	j := newMemJournal(lines...)
	var most atomic.Int64
	ctx, cancel := context.WithCancel(context.Background())
	relay, err := NewRelay(c, j, countingDialer{direct{c.withDefaults()}, &most}, journal.Cursor{}, &observed{}, discard)
	if err != nil {
		t.Fatal(err)
	}
	done := make(chan error, 1)
	go func() { done <- relay.Run(ctx) }()
	peertest.Until(t, "everything is delivered", func() bool { return relay.Stats().Delivered == uint64(len(lines)) })
	cancel()
	<-done
	if most.Load() > 2*batchSize {
		t.Errorf("a write of %d bytes, want batches of about %d", most.Load(), batchSize)
	}
}

type countingDialer struct {
	Dialer
	most *atomic.Int64
}

func (d countingDialer) Dial(ctx context.Context) (Conn, error) {
	c, err := d.Dialer.Dial(ctx)
	if err != nil {
		return nil, err
	}
	return countingConn{c, d.most}, nil
}

type countingConn struct {
	Conn
	most *atomic.Int64
}

func (c countingConn) Write(p []byte) (int, error) {
	c.most.Store(max(c.most.Load(), int64(len(p))))
	return c.Conn.Write(p)
}

// BenchmarkThroughSSHToRsyslog is records from the journal to acknowledged
// behind a stock sshd and a stock rsyslog; cpu-µs/record is ours alone.
func BenchmarkThroughSSHToRsyslog(b *testing.B) {
	far, s := peertest.StartRsyslog(b), peertest.StartSSHD(b)
	c := to(far.Port)
	c.Settle = time.Millisecond
	j := newMemJournal(events(0, b.N/3+1)...)
	b.ResetTimer()
	before := cpuTime(b)
	r := startRelay(b, c, j, tunnelTo(b, s, s.Port, c), journal.Cursor{})
	for r.Stats().Pending > 0 || r.Stats().Delivered == 0 {
		time.Sleep(time.Millisecond)
	}
	b.StopTimer()
	n := float64(j.Durable())
	b.ReportMetric(float64((cpuTime(b)-before).Microseconds())/n, "cpu-µs/record")
	b.ReportMetric(n/b.Elapsed().Seconds(), "records/s")
	r.end(b)
}

// cpuTime is what this process has used.
func cpuTime(b *testing.B) time.Duration {
	var u unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &u); err != nil {
		b.Fatal(err)
	}
	return time.Duration(u.Utime.Nano() + u.Stime.Nano())
}

// Keys that are in use for long enough are no longer used: another connection takes
// over before the old one goes, and what that one was sent is not sent again.
func TestAConnectionIsReplacedWhenItsKeysAreOld(t *testing.T) {
	t.Parallel()
	t.Run("T-SSH-REKEY", replacesConnections)
}

// established are the connections there are to a loopback port (proc(5), /proc/net/tcp).
func established(t *testing.T, port int) (n int) {
	t.Helper()
	table, err := os.ReadFile("/proc/net/tcp")
	if err != nil {
		t.Fatal(err)
	}
	for line := range strings.Lines(string(table)) {
		if f := strings.Fields(line); f[2] == fmt.Sprintf("0100007F:%04X", port) && f[3] == "01" {
			n++
		}
	}
	return n
}

func replacesConnections(t *testing.T) {
	far, s := peertest.StartRsyslog(t), peertest.StartSSHD(t)
	c, cfg := to(far.Port), tunnelConfig(s, s.Port)
	cfg.RekeyAge = time.Second
	j := newMemJournal()
	stopLoad := load(j, 20)
	r := startRelay(t, c, j, tunnelOf(t, cfg, c), journal.Cursor{})
	peertest.Until(t, "three connections followed the first", func() bool { return strings.Count(s.Output(), "Accepted publickey") > 3 })
	lines := stopLoad()
	peertest.Until(t, "everything is delivered", func() bool { return r.Stats().Delivered == uint64(len(lines)) })
	peertest.Until(t, "those that were replaced are gone", func() bool {
		return established(t, s.Port) <= 2
	})
	r.end(t)
	peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
	if got := rawLines(far.Received()); !slices.Equal(sortedLines(got), sortedLines(lines)) {
		t.Errorf("rsyslog has %d lines, want the %d sent, each once", len(got), len(lines))
	}
}
