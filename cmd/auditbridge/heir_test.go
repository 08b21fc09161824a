package main

import (
	"bufio"
	"context"
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestAnHeirGoesOnWithADeadProcessesSocket: what the kernel sent while nobody ran is
// in the journal, the heir is exempt as an owner is, and its status is that of one.
func TestAnHeirGoesOnWithADeadProcessesSocket(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	before, rules := kernel.Status(), kernel.Rules()
	d, m := newDaemon(t, ""), startManager(t)
	m.service(d)
	d.start()
	kernel.Generate(100, 0, "lived")
	peertest.Until(t, "the service manager has the socket", func() bool { return m.keeps(storedSocket) })
	for range 2 { // an heir of an heir, too
		d.kill()
		kernel.Generate(1000, 0, "orphaned")
		d.start()
	}
	first := kernel.Status().PID
	d.until("it owns the kernel's audit, and all is well", func(s status.Status) bool { return s.Kernel != nil && s.Ours && s.State == status.OK })
	if s, _ := d.status(); s.KernelPID != 0 || first == s.PID {
		t.Errorf("registered for %d, and status says %+v", first, s)
	}
	exempt := fmt.Sprintf(" -F pid=%d", d.cmd.Process.Pid)
	peertest.Until(t, "it has itself exempted", func() bool { return strings.Contains(kernel.Rules(), exempt) })
	kernel.Generate(100, 0, "inherited")
	d.stop()
	d.requireEachOnce("lived", 100)
	d.requireEachOnce("orphaned", 2000)
	d.requireEachOnce("inherited", 100)
	all := strings.Join(d.journalLines(), "\n")
	for what, n := range map[string]int{" op=abnormal-end ": 2, " socket=kept ": 2, " op=serials-missing ": 0} {
		if got := strings.Count(all, what); got != n {
			t.Errorf("%q is on record %d times, not %d", what, got, n)
		}
	}
	peertest.Until(t, "the service manager was told to let it go", func() bool { return !m.keeps(storedSocket) })
	if after := kernel.Status(); after.Enabled != before.Enabled || after.BacklogLimit != before.BacklogLimit || kernel.Rules() != rules {
		t.Errorf("found %+v and %v, given back %+v and %v", before, rules, after, kernel.Rules())
	}
}

// TestWhatADeadProcessMissedIsOnRecord: without a service manager its socket dies with
// it, and what the kernel sent since is a gap; what the kernel was like before is not
// forgotten.
func TestWhatADeadProcessMissedIsOnRecord(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	before := kernel.Status()
	d := newDaemon(t, "")
	d.start()
	kernel.Generate(100, 0, "lived")
	d.until("all is stored", func(s status.Status) bool { return s.Stored >= 300 })
	d.kill()
	kernel.Generate(1000, 0, "orphaned")
	d.start()
	kernel.Generate(100, 0, "lived")
	d.until("what is missing is known", func(s status.Status) bool { return s.KernelLostAtMost >= 1000 })
	d.stop()
	if after := kernel.Status(); after.Enabled != before.Enabled || after.BacklogLimit != before.BacklogLimit {
		t.Errorf("found %+v, given back %+v", before, after)
	}
	d.onRecord(" op=serials-missing ", " after=abnormal-end ")
	missing := uint64(1000 - len(d.generated("orphaned"))) // events, of three records each
	if least, most := d.lost(); 3*missing < least || missing > most {
		t.Errorf("%d events are missing, %d to %d records are said to be", missing, least, most)
	}
}

// roundsVariable says how often TestKilledOrReplacedAtAnyMoment does it, seedVariable by
// which moments: those of a run that failed.
const roundsVariable, seedVariable = "AUDITBRIDGE_RESTARTS", "AUDITBRIDGE_SEED"

// fromVariable is the number in the environment, or another.
func fromVariable(t *testing.T, name string, otherwise uint64) uint64 {
	t.Helper()
	text := os.Getenv(name)
	if text == "" {
		return otherwise
	}
	n, err := strconv.ParseUint(text, 10, 64)
	must(t, err)
	return n
}

// TestKilledOrReplacedAtAnyMoment: under live load, at random moments, run is killed,
// or asked to become the installed program, or killed while it does; whatever it was
// about, each event the kernel handed over is in the journal once and at the far end at
// least once, the journal verifies, and the books balance.
func TestKilledOrReplacedAtAnyMoment(t *testing.T) {
	t.Parallel()
	rounds, seed := fromVariable(t, roundsVariable, 6), fromVariable(t, seedVariable, uint64(time.Now().UnixNano()))
	kernel := audittest.Kernel(t)
	before := kernel.Status()
	collector := peertest.StartRsyslog(t)
	d, m := newDaemon(t, plain("siem", collector.Port, `format = "audit"`)), startManager(t)
	m.service(d)
	d.start()
	peertest.Until(t, "the service manager has the socket", func() bool { return m.keeps(storedSocket) })
	const perSecond = 700
	load := kernel.StartGenerate(100_000_000, perSecond, "restarted")
	t.Logf("%d rounds, %s=%d", rounds, seedVariable, seed)
	moment := func(r *rand.Rand, most time.Duration) { time.Sleep(time.Duration(r.Int64N(int64(most)))) }
	r := rand.New(rand.NewPCG(seed, 0))
	for round := range rounds {
		if round%20 == 19 {
			t.Logf("round %d", round+1)
		}
		switch round % 3 {
		case 0: // killed at any moment, of the start too
			moment(r, 400*time.Millisecond)
		case 1: // replaced
			d.untilAnswering()
			moment(r, 200*time.Millisecond)
			if out, errs, code := auditbridgeCommand(t, "restart", "--config", d.config); code != 0 {
				t.Fatalf("round %d: restart: exit %d: %s%s", round, code, out, errs)
			}
			continue
		case 2: // killed while it is replaced
			d.untilAnswering()
			ctx, cancel := context.WithCancel(t.Context())
			asked := program("restart", "--config", d.config)
			must(t, peertest.StartChild(asked))
			stop := context.AfterFunc(ctx, func() { asked.Process.Kill() })
			moment(r, 600*time.Millisecond)
			defer func() { cancel(); stop(); asked.Wait() }()
		}
		d.kill()
		d.launch()
	}
	d.untilAnswering()
	made := load.Stop()
	d.untilDelivered()
	d.until("all is heard", func(s status.Status) bool { return s.Kernel != nil && s.Backlog == 0 && s.Ours })
	s, _ := d.status()
	if !s.Balanced {
		t.Errorf("the books do not balance: %+v", s)
	}
	d.stop()
	d.untilReceived(collector)
	have := d.requireOnce("restarted")
	least, most := d.lost()
	t.Logf("%d events made, %d in the journal; the kernel lost %d to %d records", made, len(have), least, most)
	if missing := uint64(made - len(have)); missing > most {
		t.Errorf("%d events were made, %d are in the journal, and %d to %d records are said to be lost", made, len(have), least, most)
	}
	arrived := collectedSerials(t, collector.File, "restarted")
	for _, serial := range slices.Sorted(maps.Keys(have)) {
		if arrived[serial] == 0 {
			t.Errorf("event %s is not at the far end", serial)
		}
	}
	if after := kernel.Status(); after.Enabled != before.Enabled || after.BacklogLimit != before.BacklogLimit {
		t.Errorf("found %+v, given back %+v", before, after)
	}
}

// untilAnswering waits for run, once launched.
func (d *instance) untilAnswering() {
	d.t.Helper()
	peertest.Until(d.t, "auditbridge run answers", func() bool {
		s, ok := d.status()
		return ok && s.Running && s.Answering
	})
}

// requireOnce is an error unless the journal verifies and has each generated event
// under key at most once. It returns them.
func (d *instance) requireOnce(key string) map[string]int {
	d.t.Helper()
	if out, errs, code := auditbridgeCommand(d.t, "verify", d.journal); code != 0 {
		d.t.Errorf("verify: exit %d: %s%s", code, out, errs)
	}
	times := d.generated(key)
	for serial, n := range times {
		if n != 1 {
			d.t.Errorf("event %s is in the journal %d times", serial, n)
		}
	}
	return times
}

// requireEachOnce is requireOnce, for n events, and nothing may be said to be lost.
func (d *instance) requireEachOnce(key string, n int) {
	d.t.Helper()
	if have := len(d.requireOnce(key)); have != n {
		d.t.Errorf("%d events were made, %d are in the journal", n, have)
	}
	if _, most := d.lost(); most > 0 {
		d.t.Errorf("%d records are said to be lost", most)
	}
}

// generated counts how often the journal has each event made under key, by serial.
func (d *instance) generated(key string) map[string]int {
	d.t.Helper()
	segments, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
	must(d.t, err)
	times := map[string]int{}
	for _, s := range segments {
		for serial, n := range collectedSerials(d.t, s, key) {
			times[serial] += n
		}
	}
	return times
}

// collectedSerials counts in a file how often it has each event made under key.
func collectedSerials(t *testing.T, path, key string) map[string]int {
	t.Helper()
	times := map[string]int{}
	eachLineOf(t, path, func(line string) {
		_, record, _ := strings.Cut(line, "type=SYSCALL ")
		if !strings.HasSuffix(record, ` key="`+key+`"`) {
			return
		}
		h, ok := auditbridge.ParseHeader([]byte("type=SYSCALL " + record))
		if !ok {
			t.Fatalf("not a record: %s", line)
		}
		times[fmt.Sprint(h.ID.Serial)]++
	})
	return times
}

// lost is how many records the journal says were lost before they could be heard.
func (d *instance) lost() (least, most uint64) {
	d.t.Helper()
	var counted, missing uint64
	segments, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
	must(d.t, err)
	for _, s := range segments {
		eachLineOf(d.t, s, func(line string) {
			if strings.Contains(line, " op=kernel-lost ") || strings.Contains(line, " op=refused ") {
				counted += numberIn(d.t, line, " n=")
			}
			if strings.Contains(line, " op=serials-missing ") {
				missing += numberIn(d.t, line, " missing=")
			}
		})
	}
	return lossRange(counted, missing)
}

func numberIn(t *testing.T, line, field string) uint64 {
	t.Helper()
	_, rest, _ := strings.Cut(line, field)
	digits, _, _ := strings.Cut(rest, " ")
	n, err := strconv.ParseUint(digits, 10, 64)
	must(t, err)
	return n
}

func eachLineOf(t *testing.T, path string, do func(line string)) {
	t.Helper()
	f, err := os.Open(path)
	must(t, err)
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		do(lines.Text())
	}
	must(t, lines.Err())
}
