package entrance

import (
	"bytes"
	"context"
	"crypto/sha256"
	"errors"
	"io"
	"log/slog"
	"math/rand/v2"
	"net"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/allowance"
	"auditbridge/internal/peertest"
)

// at is an entrance at work: a stock sshd, and who is behind it.
type at struct {
	*Entrance
	sshd *peertest.SSHD
	on   net.Listener
	log  *bytes.Buffer // to be read when it has ended
	stop func()        // and wait
}

// open opens one by which guests come to what far accepts.
func open(t *testing.T, network string, far net.Listener, change func(*Config), settings ...string) *at {
	t.Helper()
	sshd := peertest.StartSSHD(t, settings...)
	cfg := Config{Most: 8, UIDs: []uint32{uint32(os.Getuid())}, Tunnel: tunnel.Config{
		Name: "siem-tunnel", ServerAddress: "127.0.0.1", ServerPort: sshd.Port, User: sshd.User, IdentityFile: sshd.Identity, KnownHosts: sshd.KnownHosts,
		RemoteHost: "127.0.0.1", RemotePort: peertest.PortOf(far), LocalAddress: "127.0.0.1", LocalPort: 7777,
	}}
	place := "127.0.0.1:0"
	if network == "unix" {
		cfg.Socket = filepath.Join(t.TempDir(), "s")
		place = cfg.Socket
	}
	if change != nil {
		change(&cfg)
	}
	on, err := net.Listen(network, place)
	if err != nil {
		t.Fatal(err)
	}
	log := new(bytes.Buffer)
	e, err := New(cfg, func(int) time.Duration { return 10 * time.Millisecond }, nil, slog.New(slog.NewTextHandler(log, nil)))
	if err != nil {
		t.Fatal(err)
	}
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- e.Run(ctx, on) }()
	stop := sync.OnceFunc(func() {
		cancel()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	t.Cleanup(stop)
	return &at{e, sshd, on, log, stop}
}

// come connects as another program does.
func (a *at) come(t *testing.T) conn {
	t.Helper()
	c, err := net.Dial(a.on.Addr().Network(), a.on.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { c.Close() })
	return c.(conn)
}

// tryToCome is why one who comes hears nothing. A reset may come before connecting has
// returned.
func (a *at) tryToCome() error {
	c, err := net.Dial(a.on.Addr().Network(), a.on.Addr().String())
	if err == nil {
		defer c.Close()
		_, err = c.Read(make([]byte, 1))
	}
	return err
}

// collect keeps what each connection brings, and closes it in order when it has.
func collect(t *testing.T) (net.Listener, <-chan string) {
	brought := make(chan string, 16)
	return peertest.Listen(t, func(c net.Conn) {
		defer c.Close()
		text, err := io.ReadAll(c)
		if err != nil {
			brought <- err.Error()
			return
		}
		brought <- string(text)
	}), brought
}

// much is data of which no two pieces are alike.
func much(seed uint64, n int) []byte {
	data := make([]byte, n)
	random := rand.NewChaCha8([32]byte{byte(seed)})
	random.Read(data)
	return data
}

var networks = []string{"unix", "tcp"}

// Each way is carried byte for byte to its end, and the end of one leaves the other as
// it is: first the guest has said all, later the far end; then the other way round.
func TestEachWayEndsForItself(t *testing.T) {
	const size = 9 << 20 // more than keys serve for, and than windows take
	there, back := much(1, size), much(2, size)
	for _, network := range networks {
		for _, farFirst := range []bool{false, true} {
			name := network + " guest first"
			if farFirst {
				name = network + " far end first"
			}
			t.Run(name, func(t *testing.T) {
				t.Parallel()
				got := make(chan []byte, 1)
				guestHeard := make(chan struct{})
				far := peertest.Listen(t, func(c net.Conn) {
					defer c.Close()
					send := func() {
						c.Write(back)
						c.(*net.TCPConn).CloseWrite()
					}
					if farFirst {
						send()
					}
					text, _ := io.ReadAll(c)
					got <- text
					if !farFirst {
						send()
					}
				})
				a := open(t, network, far, nil)
				c := a.come(t)
				heard := make(chan []byte, 1)
				go func() {
					text, err := io.ReadAll(c)
					if err != nil {
						t.Error(err)
					}
					heard <- text
					close(guestHeard)
				}()
				if farFirst {
					<-guestHeard // all of it, and its end, before we say anything
				}
				if _, err := c.Write(there); err != nil {
					t.Fatal(err)
				}
				if err := c.CloseWrite(); err != nil {
					t.Fatal(err)
				}
				if sha256.Sum256(<-got) != sha256.Sum256(there) {
					t.Error("the far end got something else")
				}
				if sha256.Sum256(<-heard) != sha256.Sum256(back) {
					t.Error("the guest got something else")
				}
				peertest.Until(t, "the guest is gone", func() bool { return a.Stats().Open == 0 })
				if s := a.Stats(); s.Carried != 1 || s.Cut != 0 || s.Refused != 0 || s.Sent != size || s.Received != size {
					t.Errorf("the books: %+v", s)
				}
			})
		}
	}
}

// Who comes to a Unix socket is known, and turned away unless he is on the list. A TCP
// port has no list.
func TestWhoMayCome(t *testing.T) {
	t.Parallel()
	far, brought := collect(t)
	a := open(t, "unix", far, func(c *Config) { c.UIDs = []uint32{12345} })
	for range 3 {
		if text, err := io.ReadAll(a.come(t)); len(text) > 0 || err != nil && !errors.Is(err, syscall.ECONNRESET) {
			t.Errorf("%q, %v", text, err)
		}
	}
	peertest.Until(t, "all are counted", func() bool { return a.Stats().Refused == 3 })
	refused := a.Refusals()
	if len(refused) != 1 || refused[0].Count != 3 || refused[0].Why != "uid 0 is not in listen-uids" || refused[0].Who.PID != int32(os.Getpid()) {
		t.Errorf("%+v", refused)
	}
	if len(a.Refusals()) != 0 {
		t.Error("they are told twice")
	}
	open := open(t, "tcp", far, func(c *Config) { c.UIDs = nil })
	c := open.come(t)
	c.Write([]byte("from nobody knows whom"))
	c.Close()
	if got := <-brought; got != "from nobody knows whom" {
		t.Error(got)
	}
	if s := open.Stats(); s.First != nil {
		t.Errorf("over TCP it is known who came: %+v", s.First)
	}
}

// So many at a time, and the next when one has gone.
func TestSoManyAtATime(t *testing.T) {
	t.Parallel()
	far, brought := collect(t)
	a := open(t, "unix", far, func(c *Config) { c.Most = 2 })
	first, second := a.come(t), a.come(t)
	peertest.Until(t, "two are there", func() bool { return a.Stats().Carried == 2 })
	if err := a.tryToCome(); err == nil {
		t.Error("a third is let in")
	}
	peertest.Until(t, "the third is counted", func() bool { return a.Stats().Refused == 1 })
	if r := a.Refusals(); len(r) != 1 || r[0].Why != "2 connections are open" {
		t.Errorf("%+v", r)
	}
	first.Close()
	<-brought
	peertest.Until(t, "one has gone", func() bool { return a.Stats().Open == 1 })
	third := a.come(t)
	third.Write([]byte("now"))
	third.Close()
	if got := <-brought; got != "now" {
		t.Errorf("%q", got)
	}
	second.Close()
}

// Who is not read from is not read from: nothing piles up between.
func TestNothingPilesUp(t *testing.T) {
	t.Parallel()
	release := make(chan struct{})
	counted := make(chan int64, 1)
	far := peertest.Listen(t, func(c net.Conn) {
		defer c.Close()
		<-release
		n, _ := io.Copy(io.Discard, c)
		counted <- n
	})
	a := open(t, "unix", far, nil)
	c := a.come(t)
	var written int64
	block := make([]byte, 1<<20)
	for { // until nothing more is taken
		c.SetWriteDeadline(time.Now().Add(2 * time.Second))
		n, err := c.Write(block)
		written += int64(n)
		if err != nil {
			break
		}
		if written > 200<<20 {
			t.Fatal("200 MiB were taken from a guest whose far end reads nothing")
		}
	}
	close(release)
	c.SetWriteDeadline(time.Time{})
	c.CloseWrite()
	if n := <-counted; n != written {
		t.Errorf("%d bytes arrived of %d", n, written)
	}
}

// When the tunnel dies its guests do, those that come are turned away with the reason,
// and when the server is back others are carried, whoever asks for it.
func TestTheTunnelDiesAndComesBack(t *testing.T) {
	for _, network := range networks {
		t.Run(network, func(t *testing.T) {
			t.Parallel()
			far, brought := collect(t)
			a := open(t, network, far, nil)
			c := a.come(t)
			if _, err := c.Write([]byte("before")); err != nil {
				t.Fatal(err)
			}
			peertest.Until(t, "the guest is carried", func() bool { return a.Stats().Sent == 6 })
			a.sshd.Kill()
			_, err := c.Read(make([]byte, 1))
			if network == "tcp" && !errors.Is(err, syscall.ECONNRESET) {
				t.Errorf("the cut looks like an end in order: %v", err)
			}
			if err == nil {
				t.Error("the guest is still there")
			}
			peertest.Until(t, "the tunnel is down", func() bool { s := a.Stats(); return !s.Connected && s.Open == 0 && s.Cut == 1 && s.LastError != "" })
			<-brought
			if err := a.tryToCome(); err == nil {
				t.Error("who comes now hears something")
			}
			peertest.Until(t, "who comes now is turned away", func() bool { return a.Stats().Refused > 0 })
			if r := a.Refusals(); len(r) == 0 || !strings.HasPrefix(r[0].Why, "there is no tunnel: ") {
				t.Errorf("%+v", r)
			}
			a.sshd.Start(t)
			peertest.Until(t, "the tunnel is back", func() bool { s := a.Stats(); return s.Connected && s.LastError == "" })
			c = a.come(t)
			c.Write([]byte("after"))
			c.CloseWrite()
			if got := <-brought; got != "after" {
				t.Errorf("%q", got)
			}
		})
	}
}

// Nobody behind the far end's port is a reason of its own, and no trouble of the tunnel.
func TestNobodyAtTheFarEnd(t *testing.T) {
	t.Parallel()
	far, brought := collect(t)
	a := open(t, "tcp", far, nil)
	peertest.Until(t, "the tunnel is up", func() bool { return a.Stats().Connected })
	far.Close()
	if err := a.tryToCome(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
	peertest.Until(t, "it is known why", func() bool {
		s := a.Stats()
		return s.Connected && s.Open == 0 && s.Refused == 1 && strings.Contains(s.LastError, "the server cannot connect there") && strings.Contains(s.Hint, "is the log server running")
	})
	select {
	case got := <-brought:
		t.Errorf("%q", got)
	default:
	}
}

// A guest that lets nothing pass has to go after a while, where it is so configured.
func TestWhoIsIdleHasToGo(t *testing.T) {
	t.Parallel()
	far := peertest.Listen(t, func(c net.Conn) {
		defer c.Close()
		io.Copy(c, c)
	})
	a := open(t, "tcp", far, func(c *Config) { c.Idle = 300 * time.Millisecond })
	if err := a.tryToCome(); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
	peertest.Until(t, "it is gone", func() bool { s := a.Stats(); return s.Open == 0 && s.Cut == 1 })
}

// When the entrance closes its guests have to go, and nobody comes in any more.
func TestTheEntranceCloses(t *testing.T) {
	t.Parallel()
	far, _ := collect(t)
	a := open(t, "tcp", far, nil)
	c := a.come(t)
	peertest.Until(t, "the guest is carried", func() bool { return a.Stats().Carried == 1 })
	a.stop()
	if _, err := c.Read(make([]byte, 1)); !errors.Is(err, syscall.ECONNRESET) {
		t.Errorf("%v, want a reset", err)
	}
	if c, err := net.Dial("tcp", a.on.Addr().String()); err == nil {
		c.Close()
		t.Error("somebody comes in")
	}
}

// Keys are agreed on anew within the connection, so that no guest has to go for it.
func TestNewKeysWhileAGuestIsThere(t *testing.T) {
	t.Parallel()
	far, brought := collect(t)
	a := open(t, "unix", far, func(c *Config) { c.Tunnel.RekeyAge = tunnel.MinRekeyAge }, "LogLevel DEBUG1")
	c := a.come(t)
	var sent []byte
	peertest.Until(t, "there are new keys", func() bool {
		line := much(uint64(len(sent)), 1000)
		if _, err := c.Write(line); err != nil {
			t.Fatal(err)
		}
		sent = append(sent, line...)
		return strings.Count(a.sshd.Output(), "SSH2_MSG_NEWKEYS received") > 1
	})
	c.CloseWrite()
	if got := <-brought; got != string(sent) {
		t.Errorf("%d bytes of %d, or others", len(got), len(sent))
	}
	if n := strings.Count(a.sshd.Output(), "Accepted publickey"); n != 1 {
		t.Errorf("%d logins", n)
	}
}

// Who comes and breaks off, again and again, does not fill run's log.
func TestWhoBreaksOffDoesNotFillTheLog(t *testing.T) {
	t.Parallel()
	far, _ := collect(t)
	a := open(t, "tcp", far, nil)
	const times = 2 * allowance.Most
	for n := range uint64(times) {
		c := a.come(t)
		peertest.Until(t, "he is carried", func() bool { return a.Stats().Carried == n+1 })
		abort(c)
		peertest.Until(t, "he is gone", func() bool { return a.Stats().Cut == n+1 })
	}
	a.stop()
	if n := strings.Count(a.log.String(), "was cut"); n == 0 || n >= times {
		t.Errorf("%d of %d stand in the log", n, times)
	}
}

// Reasons are told apart as far as there are few.
func TestRefusalsAreSummedUp(t *testing.T) {
	var b book
	for uid := range uint32(20) {
		for range uid + 1 {
			b.refuse(&Who{UID: uid}, "no right")
		}
	}
	b.refuse(nil, "no room")
	all, sum := b.Refusals(), uint64(0)
	for _, r := range all {
		sum += r.Count
	}
	if len(all) != mostReasons+1 || sum != 211 || all[mostReasons].Why != otherReasons || all[3].Count != 4 {
		t.Errorf("%d reasons, %d refusals: %+v", len(all), sum, all)
	}
}

func TestValidateNamesEveryKey(t *testing.T) {
	err := (&Config{Tunnel: tunnel.Config{Name: "x", LocalAddress: "192.0.2.1", LocalPort: 1}, Most: 5000, Idle: -1}).Validate()
	for _, key := range []string{"server-address", "remote-port", "listen-connections", "listen-idle", "local-address"} {
		if err == nil || !strings.Contains(err.Error(), ": "+key+":") {
			t.Errorf("no word of %s in: %v", key, err)
		}
	}
}
