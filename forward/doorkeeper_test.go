package forward

import (
	"context"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/forward/entrance"
	"auditbridge/forward/tunnel"
	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

func entranceTo(s *peertest.SSHD, socket string, port int) entrance.Config {
	return entrance.Config{Most: 4, Socket: socket, UIDs: []uint32{uint32(os.Getuid())}, Tunnel: tunnel.Config{
		Name: "echo", ServerAddress: "127.0.0.1", ServerPort: s.Port, User: s.User, IdentityFile: s.Identity, KnownHosts: s.KnownHosts, RemoteHost: "127.0.0.1", RemotePort: port}}
}

// found is a socket that nobody takes away.
type found struct{ *net.UnixListener }

func (found) Found() error { return nil }

// handedOver is the descriptor on which a ship in this process finds its socket.
const handedOver = 250

// The whole way of a guest: to a socket that run's side holds, through a ship as a
// process would run it and a stock sshd. When that ship dies another goes on at the same
// socket, and whoever came meanwhile is served by it.
func TestAGuestThroughShip(t *testing.T) {
	far := peertest.Listen(t, func(c net.Conn) {
		defer c.Close()
		io.Copy(c, c)
	})
	said, path := &notes{}, filepath.Join(t.TempDir(), "s")
	ships := make(chan goroutine, 8)
	k, err := NewDoorkeeper(DoorkeeperConfig{
		Entrances: []entrance.Config{entranceTo(peertest.StartSSHD(t), path, peertest.PortOf(far))},
		Listen: func(e entrance.Config) (Socket, error) {
			l, err := net.ListenUnix("unix", &net.UnixAddr{Name: e.Socket, Net: "unix"})
			return found{l}, err
		},
		Start: func(socket *os.File) (Process, error) {
			if err := unix.Dup3(int(socket.Fd()), handedOver, unix.O_CLOEXEC); err != nil {
				return nil, err
			}
			run, ship := socketPair(t)
			g := goroutine{Conn: run, done: make(chan error, 1), kill: ship.Close}
			go func() { g.done <- Ship(context.Background(), ship, unconfined, discard) }()
			ships <- g
			return g, nil
		},
		Socket: handedOver, Note: said.add, Log: discard,
	})
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	done := make(chan error, 1)
	go func() { done <- k.Run(ctx) }()
	peertest.Until(t, "it is open", func() bool { s := k.Stats()["echo"]; return s.Listening && s.Connected })
	come := func() {
		t.Helper()
		c, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer c.Close()
		c.Write([]byte("x"))
		c.(*net.UnixConn).CloseWrite()
		if text, err := io.ReadAll(c); string(text) != "x" {
			t.Errorf("heard %q, %v", text, err)
		}
	}
	come()
	peertest.Until(t, "the visit is over", func() bool { return slices.Contains(said.ops(), "guests-gone") })
	(<-ships).kill()
	come()
	peertest.Until(t, "it is in the books", func() bool { s := k.Stats()["echo"]; return s.Carried == 2 && s.Open == 0 && s.Sent == 2 })
	peertest.Until(t, "the second visit is over", func() bool { return strings.Count(strings.Join(said.ops(), " "), "guests-gone") == 2 })
	stop()
	if err := <-done; err != nil {
		t.Fatal(err)
	}
	if _, err := os.Lstat(path); err == nil {
		t.Error("the socket is left")
	}
	want := []string{"entrance-closed", "entrance-open", "guests-came", "guests-came", "guests-gone", "guests-gone", "link-down", "link-down", "link-up", "link-up"}
	if got := slices.Sorted(slices.Values(said.ops())); !slices.Equal(got, want) {
		t.Errorf("on record: %q", got)
	}
	if uid := said.fields("guest-uid"); !slices.Equal(uid, []string{"0", "0"}) {
		t.Errorf("who came: %q", uid)
	}
}

// What ship may not say of an entrance.
func TestReportsOfAnEntranceThatAreNotBelieved(t *testing.T) {
	good := entrance.Stats{Connected: true, Open: 1, Carried: 5, Refused: 2, Cut: 1, Sent: 70, Received: 80}
	change := func(f func(*entrance.Stats)) report {
		s := good
		f(&s)
		return report{Entrance: &wireEntrance{Stats: s}}
	}
	for _, row := range []struct {
		name, word string
		report     report
	}{
		{"nothing", "says nothing", report{}},
		{"a destination's", "says nothing", report{Relay: "siem", Stats: &Stats{}}},
		{"more guests than there may be", "guests where", change(func(s *entrance.Stats) { s.Open = 5 })},
		{"fewer than none", "guests where", change(func(s *entrance.Stats) { s.Open = -1 })},
		{"guests that were not", "counts go back", change(func(s *entrance.Stats) { s.Carried-- })},
		{"bytes that were not", "counts go back", change(func(s *entrance.Stats) { s.Received-- })},
	} {
		t.Run(row.name, func(t *testing.T) {
			said := &notes{}
			d := &door{Config: entrance.Config{Most: 4}, keeper: &Doorkeeper{cfg: DoorkeeperConfig{Note: said.add, Log: discard}}, told: good}
			run, ship := socketPair(t)
			defer run.Close()
			out := lineWriter{w: ship}
			out.write(row.report)
			ship.Close()
			if err := hear(goroutine{Conn: run}, d.follow, d.refuse); err == nil || !strings.Contains(err.Error(), row.word) {
				t.Errorf("%v, want a refusal with %q", err, row.word)
			}
			if got := said.ops(); !slices.Equal(got, []string{"ship-refused"}) {
				t.Errorf("on record: %q", got)
			}
			if d.told != good {
				t.Errorf("it is believed: %+v", d.told)
			}
		})
	}
}

// What ship says of an entrance is in order, whoever in it says so: when the SSH
// connection changes, and each second.
func TestReportsOfAnEntranceAreInOrder(t *testing.T) {
	on, err := net.Listen("unix", filepath.Join(t.TempDir(), "s"))
	if err != nil {
		t.Fatal(err)
	}
	cfg := entrance.Config{Most: 4, Socket: on.Addr().String(), UIDs: []uint32{12345}, Tunnel: tunnel.Config{Name: "echo",
		ServerAddress: "127.0.0.1", ServerPort: 1, User: "audit", IdentityFile: "/none", KnownHosts: "/none", RemoteHost: "127.0.0.1", RemotePort: 1}}
	e, err := entrance.New(cfg, func(int) time.Duration { return time.Hour }, nil, discard)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	run, ship := socketPair(t)
	defer run.Close()
	tell := tellOf(e, &lineWriter{w: ship})
	var work, telling sync.WaitGroup
	work.Go(func() { e.Run(ctx, on) })
	work.Go(func() { // who may not, again and again
		for ctx.Err() == nil {
			if c, err := net.Dial("unix", cfg.Socket); err == nil {
				c.Close()
			}
		}
	})
	for range 4 {
		telling.Go(func() {
			for range 500 {
				tell()
			}
		})
	}
	go func() {
		telling.Wait()
		ship.Close()
	}()
	d := &door{Config: cfg, keeper: &Doorkeeper{cfg: DoorkeeperConfig{Note: (&notes{}).add, Log: discard}}}
	if err := hear(goroutine{Conn: run}, d.follow, d.refuse); err != nil {
		t.Error(err)
	}
	run.Close()
	stop()
	work.Wait()
}

// A storm of guests, let in or refused, is a few records: how many there were is in them.
func TestAStormAtAnEntrance(t *testing.T) {
	said := &notes{}
	d := &door{Config: entrance.Config{Most: 4}, keeper: &Doorkeeper{cfg: DoorkeeperConfig{Note: said.add, Log: discard}}}
	s := entrance.Stats{Connected: true}
	for second := range 1000 { // one that comes and goes in each other, with a thousand who may not
		s.Carried += uint64(second+1) % 2
		s.Refused += 1000
		err := d.follow(report{Entrance: &wireEntrance{Stats: s, Refusals: []entrance.Refusal{{Who: &entrance.Who{UID: 33, PID: 7}, Why: "no right\x1b[2J", Count: 1000}}}})
		if err != nil {
			t.Fatal(err)
		}
	}
	if n := len(said.ops()); n > 50 {
		t.Errorf("%d records", n)
	}
	if all := said.fields("reason"); slices.ContainsFunc(all, func(why string) bool { return strings.Contains(why, "\x1b") }) {
		t.Errorf("%q", all)
	}
	told := uint64(0)
	for i, op := range said.ops() {
		for _, f := range said.all[i].Fields {
			if n, err := strconv.ParseUint(f.Value, 10, 64); op == "guest-refused" && err == nil && (f.Key == "n" || f.Key == "unrecorded") {
				told += n
			}
		}
	}
	if told+d.withheld != 1000*1000 {
		t.Errorf("%d refusals told and %d withheld", told, d.withheld)
	}
}
