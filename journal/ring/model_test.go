package ring

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
	"pgregory.net/rapid"
)

// model is what a ring is: a queue of bytes, some counters, and a batch of
// messages of which a part is dealt with. Dying changes none of it.
type model struct {
	path string
	r    *Ring
	pair [2]int

	pending  []byte
	left     intent
	stats    Stats
	untold   uint64   // records discarded that no durable note tells of
	told     told     // of these, of those refused and of those lost, how many a note tells of
	lost     uint64   // records written that are lost and no durable note tells of
	open     []string // messages received, not taken
	messages int      // sent so far
}

func (m *model) publish(t *rapid.T) {
	room := m.r.Room()
	for n := rapid.IntRange(1, 20).Draw(t, "lines"); n > 0; n-- {
		line := strings.Repeat("x", rapid.IntRange(0, 9000).Draw(t, "length")) + "\n"
		if len(room)+len(line) > cap(room) {
			break
		}
		room = append(room, line...)
		m.stats.Received++
	}
	m.pending = append(m.pending, room...)
	m.r.Publish(len(room), bytes.Count(room, []byte{'\n'}))
}

// receive has a batch come; while one is open, that is dealt with first.
func (m *model) receive(t *rapid.T) {
	if len(m.open) > 0 {
		m.take(t)
		return
	}
	for n := rapid.IntRange(0, 8).Draw(t, "messages"); n > 0; n-- {
		message := strings.Repeat("m", m.messages%50+1)
		if _, err := unix.Write(m.pair[0], []byte(message)); err != nil {
			t.Fatal(err)
		}
		m.messages++
		m.open = append(m.open, message)
	}
	n, err := m.r.Slots().Receive(m.pair[1], Batch)
	if n != len(m.open) || (err != nil) != (n == 0) {
		t.Fatalf("received %d of %d: %v", n, len(m.open), err)
	}
}

// take deals with some messages of the batch: stored or refused. One has to come first.
func (m *model) take(t *rapid.T) {
	if len(m.open) == 0 {
		m.receive(t)
		return
	}
	from, to := m.r.Slots().Unfinished()
	n := rapid.IntRange(0, to-from).Draw(t, "messages")
	m.r.Slots().Take(from + n)
	m.open = m.open[n:]
	if rapid.Bool().Draw(t, "refuse") {
		m.r.Refuse(n, 1, 2)
		m.stats.Refused += uint64(n)
		return
	}
	m.publish(t)
}

func (m *model) intend(t *rapid.T) {
	n := rapid.IntRange(0, len(m.r.Pending())).Draw(t, "bytes")
	m.left = intent{7, rapid.Uint64().Draw(t, "offset"), uint64(n)}
	m.r.Intent(m.left.segment, m.left.offset, n)
}

func (m *model) write(t *rapid.T) {
	n := rapid.IntRange(0, len(m.r.Pending())).Draw(t, "bytes")
	n = bytes.LastIndexByte(m.pending[:n], '\n') + 1
	records := bytes.Count(m.pending[:n], []byte{'\n'})
	m.r.Written(n, records)
	m.left = intent{}
	m.stats.Written += uint64(records)
	m.pending = m.pending[n:]
}

func (m *model) discard(t *rapid.T) {
	n := rapid.IntRange(0, len(m.r.Pending())).Draw(t, "bytes")
	n = bytes.LastIndexByte(m.pending[:n], '\n') + 1
	records := bytes.Count(m.pending[:n], []byte{'\n'})
	m.r.Discard(n, records, 3, 4)
	m.left = intent{}
	m.stats.Discarded += uint64(records)
	m.untold += uint64(records)
	m.pending = m.pending[n:]
}

func (m *model) note(t *rapid.T) {
	n, _, _ := m.r.Refused()
	m.told = told{m.told.at + 1, uint32(m.stats.Refused - m.stats.Noted), uint32(m.untold), uint32(m.lost)}
	m.r.Told(m.told.at, n, m.r.Lost())
}

func (m *model) settle(t *rapid.T) {
	m.r.Settle(m.told.at - 1)
	m.r.Settle(m.told.at)
	m.stats.Noted += uint64(m.told.refused)
	m.untold -= uint64(m.told.discarded)
	m.lost -= uint64(m.told.lost)
	m.told = told{}
}

func (m *model) abandon(t *rapid.T) {
	n := rapid.IntRange(0, 10).Draw(t, "records")
	m.r.Abandon(7, 70, n)
	m.lost += uint64(n)
}

func (m *model) die(t *rapid.T) {
	m.r.Unmap()
	m.reopen(t)
}

func (m *model) dieWithTheNote(t *rapid.T) {
	m.die(t)
	m.r.Untold()
	m.told = told{}
}

// dieAndFind is die, and the next process finds some of what was given up.
func (m *model) dieAndFind(t *rapid.T) {
	m.dieWithTheNote(t)
	n := rapid.IntRange(0, 20).Draw(t, "records")
	m.r.Found(n)
	lost := min(uint64(n), m.lost)
	refused := min(uint64(n)-lost, m.untold)
	m.lost -= lost
	m.untold -= refused
	m.stats.Discarded -= refused
	m.stats.Written += refused
}

func (m *model) reopen(t *rapid.T) {
	r, err := Open(Config{Path: m.path, Size: minSize, BootID: boot})
	if err != nil {
		t.Fatal(err)
	}
	if r.SetAside() != "" {
		t.Fatal(r.SetAside())
	}
	m.r = r
}

// check is the invariant after every step.
func (m *model) check(t *rapid.T) {
	if got := m.r.Pending(); !bytes.Equal(got, m.pending) {
		t.Fatalf("pending %d bytes, want %d", len(got), len(m.pending))
	}
	m.stats.Bytes = uint64(len(m.pending))
	if got := m.r.Stats(); got != m.stats {
		t.Fatalf("stats %+v, want %+v", got, m.stats)
	}
	if n := m.r.Free(); n != minSize-len(m.pending) {
		t.Fatalf("%d bytes free with %d pending", n, len(m.pending))
	}
	if segment, offset, n := m.r.Left(); m.left.n != 0 && (intent{segment, offset, uint64(n)}) != m.left {
		t.Fatalf("left %d %d %d, want %+v", segment, offset, n, m.left)
	}
	if n, _, _ := m.r.Refused(); uint64(n) != m.stats.Refused-m.stats.Noted+m.untold-uint64(m.told.refused)-uint64(m.told.discarded) {
		t.Fatalf("refused %d, want %+v", n, m.stats)
	}
	if n := m.r.Lost(); uint64(n) != m.lost-uint64(m.told.lost) {
		t.Fatalf("lost %d, want %d less %d", n, m.lost, m.told.lost)
	}
	from, to := m.r.Slots().Unfinished()
	if to-from != len(m.open) {
		t.Fatalf("unfinished %d to %d, want %d messages", from, to, len(m.open))
	}
	for i, want := range m.open {
		if got := m.r.Slots().Message(from + i); string(got) != want {
			t.Fatalf("message %d is %q, want %q", from+i, got, want)
		}
	}
}

func TestRingIsAQueueThatSurvives(t *testing.T) {
	path := filepath.Join(t.TempDir(), "ring")
	rapid.Check(t, func(t *rapid.T) {
		os.Remove(path)
		m := &model{path: path}
		pair, err := unix.Socketpair(unix.AF_UNIX, unix.SOCK_DGRAM, 0)
		if err != nil {
			t.Fatal(err)
		}
		m.pair = pair
		defer unix.Close(pair[0])
		defer unix.Close(pair[1])
		m.reopen(t)
		defer func() { m.r.Unmap() }()
		t.Repeat(map[string]func(*rapid.T){
			"publish": m.publish, "receive": m.receive, "take": m.take, "intend": m.intend,
			"write": m.write, "discard": m.discard, "note": m.note, "settle": m.settle,
			"abandon": m.abandon, "die": m.die, "die with the note": m.dieWithTheNote, "die and find": m.dieAndFind, "": m.check,
		})
	})
}
