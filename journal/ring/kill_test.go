package ring

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"fmt"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"testing"
	"time"

	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

// kills is how often the worker is killed in TestKilledAtAnyInstant.
const kills = 250

// TestMain makes this binary the worker that is killed, when asked to.
func TestMain(m *testing.M) {
	if dir := os.Getenv("RING_WORKER"); dir != "" {
		if err := work(dir); err != nil {
			fmt.Fprintln(os.Stderr, "worker:", err)
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

// A worker receives numbered messages through the slots, puts a line of each
// into the ring, and writes the lines to a file. It is killed at random instants,
// and its successor goes on. In the end the file holds each number once, in order.
func TestKilledAtAnyInstant(t *testing.T) {
	dir := t.TempDir()
	pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		t.Fatal(err)
	}
	theirs := os.NewFile(uintptr(pair[1]), "messages")
	defer theirs.Close()
	start := func() *exec.Cmd {
		worker := exec.Command(os.Args[0])
		worker.Env = append(os.Environ(), "RING_WORKER="+dir)
		worker.ExtraFiles = []*os.File{theirs}
		worker.Stderr = os.Stderr
		if err := peertest.StartChild(worker); err != nil {
			t.Fatal(err)
		}
		return worker
	}
	stop, sent := make(chan struct{}), make(chan uint64)
	go send(t, pair[0], stop, sent)
	file := filepath.Join(dir, "lines")
	size := func() int64 { info, _ := os.Stat(file); return info.Size() }
	worker := start()
	waitFor(t, "the first line", func() bool { info, err := os.Stat(file); return err == nil && info.Size() > 0 })
	for i := range kills {
		if i%2 == 0 { // every other one is killed wherever it is, even in recovery
			before := size()
			waitFor(t, "another line", func() bool { return size() > before })
		}
		time.Sleep(time.Duration(rand.IntN(8000)) * time.Microsecond)
		worker.Process.Kill()
		worker.Wait()
		worker = start()
	}
	close(stop)
	total := <-sent
	if err := worker.Wait(); err != nil {
		t.Fatalf("the last worker: %v", err)
	}
	checkNumbers(t, file, total)
}

// send sends numbers until stop, then an empty one as the end.
func send(t *testing.T, socket int, stop chan struct{}, sent chan uint64) {
	defer unix.Close(socket)
	message := make([]byte, 300)
	for n := uint64(0); ; n++ {
		binary.LittleEndian.PutUint64(message, n)
		size := 8 + int(n%7)*40
		select {
		case <-stop:
			size = 1
		default:
		}
		if _, err := unix.Write(socket, message[:size]); err != nil {
			t.Errorf("send: %v", err)
		}
		if size == 1 {
			sent <- n
			return
		}
	}
}

func checkNumbers(t *testing.T, path string, total uint64) {
	file, err := os.Open(path)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	next := uint64(0)
	for lines := bufio.NewScanner(file); lines.Scan(); next++ {
		var n uint64
		if _, err := fmt.Sscanf(lines.Text(), "line %d ", &n); err != nil || n != next {
			t.Fatalf("line %d of the file is %q", next, lines.Text())
		}
	}
	if next != total {
		t.Errorf("%d messages sent, %d lines stored", total, next)
	}
	t.Logf("%d records over %d kills", next, kills)
}

// work is the life of one worker: producer and consumer as in the program.
func work(dir string) error {
	r, err := Open(Config{Path: filepath.Join(dir, "ring"), Size: minSize, BootID: boot})
	if err != nil {
		return err
	}
	if r.SetAside() != "" {
		return fmt.Errorf("the ring was set aside: %s", r.SetAside())
	}
	file, err := os.OpenFile(filepath.Join(dir, "lines"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return err
	}
	go produce(r)
	return consume(r, file)
}

func produce(r *Ring) {
	s := r.Slots()
	from, to := s.Unfinished()
	for {
		if store(r, from, to) {
			r.Close()
			return
		}
		waiting := []unix.PollFd{{Fd: 3, Events: unix.POLLIN}}
		unix.Poll(waiting, -1)
		from = 0
		to, _ = s.Receive(3, Batch)
	}
}

// store commits in two parts: being killed between them is a case of its own.
func store(r *Ring, from, to int) (end bool) {
	for from < to {
		until := from + 1 + rand.IntN(to-from)
		room, records := r.Room(), 0
		for len(room)+400 > cap(room) {
			<-r.Space(4096)
			room = r.Room()
		}
		for ; from < until && len(room)+400 < cap(room); from++ {
			m := r.Slots().Message(from)
			if len(m) == 1 {
				end = true
				continue
			}
			room = fmt.Appendf(room, "line %d %x\n", binary.LittleEndian.Uint64(m), m[8:min(len(m), 80)])
			records++
		}
		r.Slots().Take(from)
		r.Publish(len(room), records)
	}
	return end
}

// consume writes as the journal does; first it finds out how much of the write
// that was under way stands in the file.
func consume(r *Ring, file *os.File) error {
	info, err := file.Stat()
	if err != nil {
		return err
	}
	end := info.Size()
	if _, offset, n := r.Left(); n > 0 {
		pending := r.Pending()[:n]
		stands := make([]byte, n)
		got, _ := file.ReadAt(stands, int64(offset))
		whole := bytes.LastIndexByte(stands[:got], '\n') + 1
		if !bytes.Equal(pending[:whole], stands[:whole]) {
			return fmt.Errorf("at %d the file holds something else", offset)
		}
		end = int64(offset) + int64(whole)
		r.Written(whole, bytes.Count(stands[:whole], []byte{'\n'}))
	}
	for !r.Drained() {
		p := r.Pending()
		if len(p) == 0 {
			<-r.Wake()
			continue
		}
		r.Intent(1, uint64(end), len(p))
		n, err := file.WriteAt(p, end)
		if err != nil {
			return err
		}
		end += int64(n)
		r.Written(n, bytes.Count(p, []byte{'\n'}))
	}
	return nil
}

func waitFor(t *testing.T, what string, holds func() bool) {
	t.Helper()
	for deadline := time.Now().Add(2 * time.Minute); !holds(); time.Sleep(time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("waited two minutes in vain for %s", what)
		}
	}
}
