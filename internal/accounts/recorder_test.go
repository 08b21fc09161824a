package accounts

import (
	"context"
	"log/slog"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"

	"github.com/google/go-cmp/cmp"
)

// page is a journal that only keeps what is noted.
type page struct {
	noted   []auditbridge.Note
	segment auditbridge.Sequence
	records uint64
}

func (p *page) Note(n auditbridge.Note)               { p.noted = append(p.noted, n) }
func (p *page) Books() (auditbridge.Sequence, uint64) { return p.segment, p.records }

// take returns what was noted since, in short.
func (p *page) take() (all []string) {
	for i := range p.noted {
		op, rest, _ := strings.Cut(fields(&p.noted[i]), " ")
		_, lists, _ := strings.Cut(rest, " parts=1 ")
		table, _, _ := strings.Cut(rest, " ")
		if lists == "" {
			lists = rest[len(table)+1:]
		}
		all = append(all, op+" "+table+" "+lists)
	}
	p.noted = nil
	return all
}

func (h *host) recorder(p *page) *Recorder {
	return NewRecorder(h.cfg, p, slog.New(slog.DiscardHandler))
}

func (h *host) replace(path, text string) {
	h.t.Helper()
	write(h.t, path+".new", text)
	if err := os.Rename(path+".new", path); err != nil {
		h.t.Fatal(err)
	}
}

const (
	usersAtStart  = "accounts table=passwd names=0:root,1000:alice res=success"
	groupsAtStart = "accounts table=group names=0:root,10:wheel res=success"
)

func TestWhenTablesAreRecorded(t *testing.T) {
	h := newHost(t, "")
	p := &page{segment: 1, records: 5}
	r := h.recorder(p)
	for _, step := range []struct {
		name string
		do   func()
		want []string
	}{
		{"at start", func() {}, []string{usersAtStart, groupsAtStart}},
		{"nothing new", func() {}, nil},
		{"records come", func() { p.records = 9 }, nil},
		{"a user is renamed", func() { h.replace(h.cfg.Passwd, "root:x:0:0\nalicia:x:1000:1\n") },
			[]string{"accounts-changed table=passwd renamed=1000:alice>alicia res=success"}},
		{"a password is changed", func() { h.replace(h.cfg.Passwd, "root:y:0:0\nalicia:x:1000:1\n") }, nil},
		{"a segment begins, and records come", func() { p.segment, p.records = 100, 10 },
			[]string{"accounts table=passwd names=0:root,1000:alicia res=success", groupsAtStart}},
		{"a segment begins on an idle host", func() { p.segment = 200 }, nil},
		{"still idle", func() {}, nil},
		{"a group is added while a segment begins", func() { p.records = 12; h.replace(h.cfg.Group, "root:x:0:\nwheel:x:10:\nops:x:20:\n") },
			[]string{"accounts table=passwd names=0:root,1000:alicia res=success",
				"accounts-changed table=group added=20:ops res=success", "accounts table=group names=0:root,10:wheel,20:ops res=success"}},
		{"a file is gone", func() { os.Remove(h.cfg.Group) },
			[]string{`accounts table=group why="stat ` + h.cfg.Group + `: no such file or directory" res=failed`}},
		{"still gone", func() {}, nil},
		{"it is back", func() { h.replace(h.cfg.Group, "root:x:0:\n") },
			[]string{"accounts-changed table=group removed=10:wheel,20:ops res=success", "accounts table=group names=0:root res=success"}},
	} {
		step.do()
		r.look(h.now)
		if diff := cmp.Diff(step.want, p.take()); diff != "" {
			t.Fatalf("%s: (-want +got)\n%s", step.name, diff)
		}
	}
}

// A restart records the tables as they are then, changed or not: a reader that
// begins there knows everybody, and one that comes along learns what changed.
func TestARestart(t *testing.T) {
	h := newHost(t, "")
	p := &page{segment: 1}
	reader := NewReader(nil)
	start := func() {
		h.recorder(p).look(h.now)
		hear(reader, logged("", p.noted...)...)
		p.noted = nil
	}
	start()
	h.want(h.named(reader.AppendUser, "", 1000), "alice")
	h.want(h.named(reader.AppendGroup, "", 10), "wheel")
	start()
	h.want(h.named(reader.AppendUser, "", 1000), "alice")
	h.replace(h.cfg.Passwd, "root:x:0:0\nbob:x:1001:1\n")
	start()
	h.want(h.named(reader.AppendUser, "", 1000), "")
	h.want(h.named(reader.AppendUser, "", 1001), "bob")
}

// Run looks at once, then every second.
func TestRun(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		h := newHost(t, "")
		p := &page{segment: 1}
		ctx, cancel := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- h.recorder(p).Run(ctx) }()
		synctest.Wait()
		if diff := cmp.Diff([]string{usersAtStart, groupsAtStart}, p.take()); diff != "" {
			t.Error(diff)
		}
		h.replace(h.cfg.Passwd, "root:x:0:0\nalicia:x:1000:1\n")
		time.Sleep(lookInterval)
		synctest.Wait()
		if diff := cmp.Diff([]string{"accounts-changed table=passwd renamed=1000:alice>alicia res=success"}, p.take()); diff != "" {
			t.Error(diff)
		}
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	})
}

func TestNothingIsRecordedOfNoFiles(t *testing.T) {
	h := newHost(t, "")
	os.Remove(h.cfg.Passwd)
	os.Remove(h.cfg.Group)
	p := &page{}
	r := h.recorder(p)
	r.look(h.now)
	r.look(h.now)
	if got := p.take(); len(got) != 2 || !strings.Contains(got[0], "table=passwd why=") || !strings.Contains(got[1], "table=group why=") {
		t.Errorf("%q", got)
	}
}
