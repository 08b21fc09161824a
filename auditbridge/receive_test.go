package auditbridge

import (
	"encoding/binary"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"auditbridge/journal/ring"
)

// feed is the source "kernel" without a kernel: it receives what a test sends.
type feed struct {
	*Kernel
	ring *ring.Ring
	send int
}

func newFeed(t testing.TB, cfg ring.Config) *feed {
	t.Helper()
	r, err := ring.Open(cfg)
	if err != nil {
		t.Fatal(err)
	}
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_NONBLOCK|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Close(pair[0])
		unix.Close(pair[1])
		r.Unmap()
	})
	k := &Kernel{}
	if err := k.cfg.complete(); err != nil {
		t.Fatal(err)
	}
	k.receiver = newReceiver(&auditSocket{fd: pair[1]}, r, k.cfg.Pressure, k.cfg.Pause, k.cfg.Logger)
	k.answers = k.answeredBy
	return &feed{k, r, pair[0]}
}

// netlinkMessage is a message as the kernel sends a record: the length in its
// header leaves the header out.
func netlinkMessage(recordType uint16, text string) []byte {
	message := make([]byte, netlinkHeaderLen, netlinkHeaderLen+len(text))
	binary.NativeEndian.PutUint32(message, uint32(len(text)))
	binary.NativeEndian.PutUint16(message[4:], recordType)
	return append(message, text...)
}

func TestWhatIsARecordAndWhatIsNot(t *testing.T) {
	const text = "audit(1709742929.678:2340): op=x"
	for _, row := range []struct {
		name    string
		message []byte
		want    string
		stats   KernelStats
	}{
		{"record", netlinkMessage(1300, text), "type=SYSCALL msg=" + text + "\n", KernelStats{}},
		{"USER of old", netlinkMessage(1005, text), "type=USER msg=" + text + "\n", KernelStats{}},
		{"LOGIN", netlinkMessage(1006, text), "type=LOGIN msg=" + text + "\n", KernelStats{}},
		{"type nobody knows", netlinkMessage(60000, text), "type=UNKNOWN[60000] msg=" + text + "\n", KernelStats{}},
		{"record that pretends to be ours", netlinkMessage(1203, text), "type=DAEMON_CONFIG msg=" + text + "\n", KernelStats{}},
		{"empty record", netlinkMessage(1300, ""), "type=SYSCALL msg=\n", KernelStats{}},
		{"longest record", netlinkMessage(1300, strings.Repeat("x", MaxText)), "type=SYSCALL msg=" + strings.Repeat("x", MaxText) + "\n", KernelStats{}},
		{"too long record is kept, cut", netlinkMessage(1300, strings.Repeat("x", 9300)), "type=SYSCALL msg=" + strings.Repeat("x", 9200) + "\n", KernelStats{Truncated: 1}},
		{"question whether the owner lives", netlinkMessage(1329, "\x01\x00\x00\x00"), "", KernelStats{}},
		{"question without a pid", netlinkMessage(1329, "pid"), "", KernelStats{Malformed: 1}},
		{"answer to AUDIT_GET", netlinkMessage(1000, "status"), "", KernelStats{}},
		{"end of a list", netlinkMessage(3, ""), "", KernelStats{}},
		{"shorter than a header", []byte("short"), "", KernelStats{Malformed: 1}},
		{"answer cut short", netlinkMessage(netlinkError, "\xff"), "", KernelStats{Malformed: 1}},
	} {
		t.Run(row.name, func(t *testing.T) {
			f := newFeed(t, small)
			if err := unix.Send(f.send, row.message, 0); err != nil {
				t.Fatal(err)
			}
			if _, err := f.drain(); err != nil {
				t.Fatal(err)
			}
			if got := string(f.ring.Pending()); got != row.want {
				t.Errorf("stored %.80q, want %.80q", got, row.want)
			}
			if got := f.Stats(); got != row.stats {
				t.Errorf("stats %+v, want %+v", got, row.stats)
			}
		})
	}
}

// Another process may send to the socket's port; only the kernel is believed.
func TestMessagesOfOtherProcessesAreDropped(t *testing.T) {
	r, err := ring.Open(small)
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	// Audit's own protocol does not carry messages between processes; this one does.
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_USERSOCK)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK}); err != nil {
		t.Fatal(err)
	}
	self, err := unix.Getsockname(fd)
	if err != nil {
		t.Fatal(err)
	}
	if err := unix.Sendto(fd, netlinkMessage(1300, "audit(1.000:1): forged"), 0, self); err != nil {
		t.Fatal(err)
	}
	k := newReceiver(&auditSocket{fd: fd}, r, Pressure{}, 0, nil)
	if _, err := k.drain(); err != nil {
		t.Fatal(err)
	}
	if len(r.Pending()) != 0 || k.Stats() != (KernelStats{Foreign: 1}) {
		t.Errorf("stored %q, stats %+v", r.Pending(), k.Stats())
	}
}

// A successor finishes the batch that a killed process had received, before
// anything newer.
func TestUnfinishedBatchComesFirst(t *testing.T) {
	cfg := ring.Config{Path: t.TempDir() + "/ring", Size: small.Size}
	f := newFeed(t, cfg)
	for _, text := range []string{"audit(1.000:1): a", "audit(1.000:2): b"} {
		if err := unix.Send(f.send, netlinkMessage(1300, text), 0); err != nil {
			t.Fatal(err)
		}
	}
	if n, err := f.ring.Slots().Receive(f.socket.fd, ring.Batch); n != 2 || err != nil {
		t.Fatalf("received %d: %v", n, err)
	}
	f.ring.Unmap() // dies here

	f = newFeed(t, cfg)
	f.finish()
	if err := unix.Send(f.send, netlinkMessage(1300, "audit(1.000:3): c"), 0); err != nil {
		t.Fatal(err)
	}
	if _, err := f.drain(); err != nil {
		t.Fatal(err)
	}
	want := "type=SYSCALL msg=audit(1.000:1): a\ntype=SYSCALL msg=audit(1.000:2): b\ntype=SYSCALL msg=audit(1.000:3): c\n"
	if got := string(f.ring.Pending()); got != want {
		t.Errorf("pending %q", got)
	}
}

func TestReceivingAllocatesNothing(t *testing.T) {
	f := newFeed(t, small)
	message := netlinkMessage(1300, syscallText)
	if n := testing.AllocsPerRun(1000, func() {
		unix.SendmsgN(f.send, message, nil, nil, 0)
		f.drain()
		f.ring.Written(len(f.ring.Pending()), 1)
	}); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
	if s := f.ring.Stats(); s.Received < 1000 {
		t.Errorf("only %d records came through", s.Received)
	}
}

// BenchmarkTake is what a record costs between the system call and the ring.
func BenchmarkTake(b *testing.B) {
	f := newFeed(b, ring.Config{})
	message, n := netlinkMessage(1300, syscallText), 0
	for n < 10 && unix.Send(f.send, message, 0) == nil {
		n++
	}
	if got, err := f.ring.Slots().Receive(f.socket.fd, ring.Batch); got != n || err != nil {
		b.Fatalf("received %d of %d: %v", got, n, err)
	}
	b.ReportAllocs()
	for b.Loop() {
		f.take(0, n)
		f.ring.Written(len(f.ring.Pending()), n)
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*n), "ns/record")
}
