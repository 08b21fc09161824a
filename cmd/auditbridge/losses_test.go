package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/audittest"
	"auditbridge/internal/status"
)

// toldKernel is a kernel that says what it is told to say.
type toldKernel struct {
	mu      sync.Mutex
	status  auditbridge.Status
	unheard auditbridge.Unheard
	resets  []auditbridge.LostReset
	err     error
	asked   int
}

func (k *toldKernel) Status() (auditbridge.Status, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	k.asked++
	return k.status, k.err
}
func (k *toldKernel) Unheard(time.Time) (auditbridge.Unheard, error) {
	k.mu.Lock()
	defer k.mu.Unlock()
	return k.unheard, nil
}
func (k *toldKernel) LostResets() []auditbridge.LostReset {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := k.resets
	k.resets = nil
	return all
}
func (k *toldKernel) Rules() (int, error)            { return 4, nil }
func (k *toldKernel) Stats() auditbridge.KernelStats { return auditbridge.KernelStats{} }

// tell changes what it says from now on.
func (k *toldKernel) tell(change func()) {
	k.mu.Lock()
	defer k.mu.Unlock()
	change()
}

// TestLossesAndTheKernelsSilence: each loss is on record, the last second's too;
// while the kernel does not answer, status says since when losses are unknown.
func TestLossesAndTheKernelsSilence(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := &toldKernel{status: auditbridge.Status{Lost: 100, PID: os.Getpid(), Enabled: 1}}
		var notes []string
		note := func(n auditbridge.Note) { notes = append(notes, n.Op+" "+n.Fields[len(n.Fields)-1].Value) }
		l := &losses{kernel: kernel, note: note, log: slog.New(slog.DiscardHandler)}
		if err := l.begin(); err != nil {
			t.Fatal(err)
		}
		began := time.Now()
		facts := func() (s status.Status) {
			synctest.Wait()
			var before, after int
			kernel.tell(func() { before = kernel.asked })
			l.fill(&s)
			kernel.tell(func() { after = kernel.asked })
			if after != before {
				t.Error("status asks the kernel itself")
			}
			return s
		}
		ctx, stop := context.WithCancel(t.Context())
		ended := make(chan error)
		go func() { ended <- l.Run(ctx) }()

		kernel.tell(func() { kernel.status.Lost = 103 })
		time.Sleep(lossInterval + time.Millisecond)
		if s := facts(); s.KernelLost != 3 || s.Kernel == nil || !s.Ours || s.Enabled != 1 || s.Rules != 4 {
			t.Errorf("after a loss: %+v %+v", s, s.Kernel)
		}
		kernel.tell(func() { kernel.err = errors.New("no reply received") })
		time.Sleep(kernelSilence - lossInterval)
		if s := facts(); !s.KernelSilentSince.IsZero() {
			t.Errorf("silence is told at once, since %v", s.KernelSilentSince)
		}
		time.Sleep(2 * lossInterval)
		if s := facts(); !s.KernelSilentSince.Equal(began.Add(lossInterval)) {
			t.Errorf("silent since %v, want %v", s.KernelSilentSince, began.Add(lossInterval))
		}
		kernel.tell(func() { kernel.err, kernel.status.Enabled = nil, 0 })
		time.Sleep(lossInterval)
		if s := facts(); !s.KernelSilentSince.IsZero() || s.Enabled != 0 {
			t.Errorf("it answers again: %+v %+v", s, s.Kernel)
		}
		stop()
		if err := <-ended; err != nil {
			t.Error(err)
		}
		kernel.status.Lost, kernel.status.PID = 110, 0
		kernel.unheard = auditbridge.Unheard{Missing: 12, New: auditbridge.Holes{Missing: 12, First: 7, Last: 30}}
		l.finish()
		time.Sleep(time.Minute)
		if s := facts(); s.KernelLost != 12 || s.KernelLostAtMost != 22 || !s.KernelSilentSince.IsZero() {
			t.Errorf("after the end: %+v", s)
		}
		if got := strings.Join(notes, ", "); got != "kernel-lost 3, serials-missing 30, kernel-lost 7" {
			t.Errorf("on record: %s", got)
		}
	})
}

// What the kernel lost is counted to the record, however its counter is reset
// between two looks at it, as long as the record of that comes; without one, what
// it says afterwards is new.
func TestTheCounterOfLostRecordsIsReset(t *testing.T) {
	reset := func(old uint64) *uint64 { return &old }
	type look struct {
		reset       *uint64 // its record came before this look
		now         uint64
		off         bool // audit is off: nothing is recorded
		lost        uint64
		unexplained bool
	}
	for _, row := range []struct {
		name  string
		looks []look
	}{
		{"never", []look{{now: 3, lost: 3}, {now: 3}, {now: 10, lost: 7}}},
		{"what came between is in its record", []look{{now: 3, lost: 3}, {reset: reset(5), now: 0, lost: 2}, {now: 1, lost: 1}}},
		{"more was lost since than before", []look{{now: 3, lost: 3}, {reset: reset(3), now: 10, lost: 10}}},
		{"the same, and its record comes late", []look{{now: 3, lost: 3}, {now: 10, lost: 7}, {reset: reset(4), now: 10, lost: 4}}},
		{"it falls, and its record comes late", []look{{now: 9, lost: 9}, {now: 2}, {now: 4}, {reset: reset(9), now: 4, lost: 4}}},
		{"twice", []look{{now: 9, lost: 9}, {reset: reset(10), now: 0, lost: 1}, {reset: reset(7), now: 1, lost: 8}}},
		{"of nothing", []look{{reset: reset(0), now: 0}}},
		{"while audit is off", []look{{now: 9, lost: 9}, {now: 2, off: true, lost: 2, unexplained: true}, {now: 3, lost: 1}}},
		{"and no record ever comes", []look{{now: 9, lost: 9}, {now: 2}, {now: 2}, {now: 2}, {now: 2}, {now: 2}, {now: 3, lost: 3, unexplained: true}, {now: 3}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			var c lostCounter
			for i, l := range row.looks {
				if l.reset != nil {
					c.reset(*l.reset)
				}
				lost, unexplained := c.read(l.now, !l.off, time.Unix(int64(i), 0))
				if lost != l.lost || unexplained != l.unexplained {
					t.Errorf("look %d: lost %d, unexplained %v, want %d, %v", i, lost, unexplained, l.lost, l.unexplained)
				}
			}
		})
	}
}

// Who reset it is on record: as the kernel says, else that nobody knows.
func TestWhoResetTheCounterIsOnRecord(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := &toldKernel{status: auditbridge.Status{Lost: 100, Enabled: 1}}
		var notes []string
		l := &losses{kernel: kernel, log: slog.New(slog.DiscardHandler), note: func(n auditbridge.Note) {
			line := string(auditbridge.AppendNote(nil, &n, time.Unix(0, 0), 1))
			_, line, _ = strings.Cut(line, "): ")
			notes = append(notes, strings.TrimSpace(line))
		}}
		must(t, l.begin())
		time.Sleep(time.Hour)
		moment := func(at time.Time) auditbridge.EventID {
			return auditbridge.EventID{Seconds: at.Unix(), Serial: 77}
		}
		kernel.resets = []auditbridge.LostReset{
			{ID: moment(time.Now().Add(-2 * time.Hour)), Old: 50}, // before we began
			{ID: moment(time.Now()), Old: 101, Actor: auditbridge.Actor{AUID: 1000, UID: auditbridge.Unset, Session: 3}},
		}
		kernel.status.Lost = 2
		l.look()
		kernel.status.Lost, kernel.status.Enabled = 0, 0
		l.look()
		var s status.Status
		l.fill(&s)
		want := "op=kernel-lost-reset auid=1000 pid=0 uid=4294967295 ses=3 old=101 serial=77 res=success\n" +
			"op=kernel-lost auid=4294967295 pid=PID uid=0 ses=4294967295 n=3 res=failed\n" +
			"op=kernel-lost-reset auid=4294967295 pid=0 uid=4294967295 ses=4294967295 old=2 res=success"
		got := strings.ReplaceAll(strings.Join(notes, "\n"), fmt.Sprintf("pid=%d ", os.Getpid()), "pid=PID ")
		if got != want || s.KernelLost != 3 || s.KernelLostResets != 2 {
			t.Errorf("lost %d, resets %d, on record\n%s\nwant\n%s", s.KernelLost, s.KernelLostResets, got, want)
		}
	})
}

// TestAResetOfTheKernelsCounterHidesNoLoss: whoever resets it while run runs is on
// record with login uid and session, and what the kernel lost stays in the books.
func TestAResetOfTheKernelsCounterHidesNoLoss(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	d := newDaemon(t, "")
	d.start()
	lose := func() (lost uint64) {
		before := kernel.Status().Lost
		kernel.Set("-r", "1")
		kernel.Generate(200, 0, "lost")
		kernel.Set("-r", "0")
		return uint64(kernel.Status().Lost - before)
	}
	lost := lose()
	out, err := exec.Command("sh", "-c", "echo 4711 >/proc/self/loginuid && exec auditctl --reset-lost").CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	lost += lose()
	if lost < 200 {
		t.Fatalf("the kernel lost %d records: nothing is shown here", lost)
	}
	d.until("all is counted", func(s status.Status) bool { return s.KernelLostAtMost >= lost && s.KernelLostResets == 1 })
	if s, _ := d.status(); !s.Balanced || s.KernelLost > lost {
		t.Errorf("%d lost, status: %+v", lost, s)
	}
	d.stop()
	text := strings.Join(d.journalLines(), "\n")
	if m := regexp.MustCompile(`op=kernel-lost-reset auid=4711 pid=0 uid=4294967295 ses=\d+ old=\d+ serial=(\d+) res=success`).FindStringSubmatch(text); m == nil ||
		!regexp.MustCompile(`type=CONFIG_CHANGE msg=audit\([0-9.]+:`+m[1]+`\): op=set lost=0 old=\d+ auid=4711 `).MatchString(text) {
		t.Errorf("who reset it is not on record, or not the kernel's record of it:\n%s", text)
	}
	sum := uint64(0)
	for _, m := range regexp.MustCompile(`op=kernel-lost .* n=(\d+) res=failed`).FindAllStringSubmatch(text, -1) {
		n, _ := strconv.ParseUint(m[1], 10, 64)
		sum += n
	}
	if sum != lost {
		t.Errorf("the kernel lost %d records, on record are %d", lost, sum)
	}
}
