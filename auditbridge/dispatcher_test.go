package auditbridge

import (
	"context"
	"net"
	"os"
	"path/filepath"
	"runtime"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/journal/ring"

	"golang.org/x/sys/unix"
)

// dispatched is a Dispatcher that runs, and what it put on record.
type dispatched struct {
	*Dispatcher
	ring  *ring.Ring
	path  string
	mu    sync.Mutex
	notes []string
}

func dispatch(t *testing.T) *dispatched {
	t.Helper()
	return dispatchSettling(t, settled)
}

// dispatchSettling runs one for which a quiet connection counts after that time.
func dispatchSettling(t *testing.T, settled time.Duration) *dispatched {
	t.Helper()
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { r.Unmap() })
	d := &dispatched{ring: r, path: filepath.Join(t.TempDir(), "events")}
	d.Dispatcher, err = OpenDispatcher(DispatcherConfig{Path: d.path, Note: func(n Note) {
		d.mu.Lock()
		defer d.mu.Unlock()
		d.notes = append(d.notes, n.Op)
	}}, r)
	if err != nil {
		t.Fatal(err)
	}
	d.settled = settled
	ctx, stop := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- d.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
	return d
}

func (d *dispatched) onRecord() string {
	d.mu.Lock()
	defer d.mu.Unlock()
	return strings.Join(d.notes, " ")
}

func (d *dispatched) listen(t *testing.T) net.Listener {
	t.Helper()
	l, err := net.Listen("unix", d.path)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { l.Close() })
	return l
}

func accept(t *testing.T, l net.Listener) net.Conn {
	t.Helper()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// Each loss of the connection is one gap on record, however often it is tried
// again, and ends when something is heard.
func TestDispatcherPutsEachLossOnRecordOnce(t *testing.T) {
	d := dispatch(t)
	audittest.Poll(t, "it says that it hears nothing", func() bool { return d.Hearing().Err != nil })
	l := d.listen(t)
	conn := accept(t, l)
	conn.Write([]byte("type=USER msg=audit(1.000:1): one\ntype=USER msg=audit(1.000:2): cut sh"))
	conn.Close()
	l.Close()
	audittest.Poll(t, "it has lost the connection", func() bool { return d.onRecord() == "source-lost source-heard source-lost" })
	conn = accept(t, d.listen(t))
	conn.Write([]byte("type=USER msg=audit(1.000:3): three\n"))
	audittest.Poll(t, "it hears again", func() bool { return d.Hearing().Err == nil && d.ring.Stats().Received == 3 })
	if got := d.onRecord(); got != "source-lost source-heard source-lost source-heard" {
		t.Errorf("on record: %s", got)
	}
	if got := string(d.ring.Pending()); got != "type=USER msg=audit(1.000:1): one\ntype=USER msg=audit(1.000:2): cut sh\ntype=USER msg=audit(1.000:3): three\n" {
		t.Errorf("stored %q", got)
	}
}

// auditd's plugin closes the connection of a second reader at once: that is no
// connection, however often it can be made.
func TestDispatcherIsNotHeardWhenClosedAtOnce(t *testing.T) {
	d := dispatchSettling(t, peertest.Patience) // however long it takes us to close it
	l := d.listen(t)
	for range 4 {
		accept(t, l).Close()
	}
	if h := d.Hearing(); h.Err == nil || !strings.Contains(h.Err.Error(), "auditd has closed it") && !os.IsNotExist(h.Err) {
		t.Errorf("hearing: %+v", h)
	}
	if got := d.onRecord(); got != "source-lost" {
		t.Errorf("on record: %s", got)
	}
	// A quiet connection that lasts is one.
	d = dispatch(t)
	accept(t, d.listen(t))
	audittest.Poll(t, "a quiet connection counts", func() bool { return strings.HasSuffix(d.onRecord(), "source-heard") })
}

// Whoever can make the socket can make up records: it has to be root, or us.
func TestDispatcherBelievesOnlyRootAndItself(t *testing.T) {
	d := dispatch(t)
	var l net.Listener
	asStranger(t, d.path, func() { l = d.listen(t) })
	accept(t, l).Write([]byte("type=USER msg=audit(1.000:1): made up\n"))
	audittest.Poll(t, "it refuses the stranger", func() bool {
		h := d.Hearing()
		return h.Err != nil && strings.Contains(h.Err.Error(), "uid 65534 listens there, not root")
	})
	if d.ring.Stats().Received != 0 {
		t.Error("it took what the stranger wrote")
	}
}

// asStranger calls do with the effective uid of somebody else, who may write to
// the directory of path.
func asStranger(t *testing.T, path string, do func()) {
	t.Helper()
	for dir := filepath.Dir(path); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		os.Chmod(dir, 0o777)
	}
	const keep = ^uintptr(0)
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	for _, uid := range []uintptr{65534, 0} { // of this thread alone
		if _, _, errno := unix.RawSyscall(unix.SYS_SETRESUID, keep, uid, keep); errno != 0 {
			t.Fatal(errno)
		}
		if uid != 0 {
			do()
		}
	}
}
