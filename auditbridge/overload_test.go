package auditbridge

import (
	"strings"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/journal/ring"
)

// small is a ring that a stalled consumer fills in no time.
var small = ring.Config{Size: 256 << 10}

// stored returns how many events of a generator are in the lines.
func stored(lines, key string) int {
	return strings.Count(lines, ` key="`+key+`"`+"\n")
}

// A consumer that stalls for less than the time to hold back loses nothing: the
// kernel's queue fills and whoever is audited waits.
func TestProtectAuditHoldsProcessesBackAndLosesNothing(t *testing.T) {
	audit := audittest.Kernel(t)
	audit.Set("--backlog_wait_time", "15000")
	before := audit.Status()
	c := startCaptureWith(t, KernelConfig{ReceiveBuffer: 128 << 10, Pressure: Pressure{HoldBack: time.Minute}}, ring.Config{Size: 1 << 20})
	c.stalled.Store(true)
	const events = 20000
	generator := audit.StartGenerate(events, 0, "held")
	audittest.Poll(t, "the audited process is held back", generator.HeldBack)
	c.stalled.Store(false)
	generator.Wait()
	c.end()
	if n := stored(c.text(), "held"); n != events {
		t.Errorf("%d of %d events stored", n, events)
	}
	if s := c.ring.Stats(); s.Refused != 0 || audit.Status().Lost != before.Lost {
		t.Errorf("refused %d, lost %d", s.Refused, audit.Status().Lost-before.Lost)
	}
}

// A consumer that never comes back does not stop the host, and the books balance.
func TestOverloadIsCountedRecordByRecord(t *testing.T) {
	for _, pressure := range []Pressure{
		{Overload: ProtectHost},
		{Overload: ProtectAudit, HoldBack: 500 * time.Millisecond},
	} {
		t.Run(string(pressure.Overload), func(t *testing.T) {
			audit := audittest.Kernel(t)
			audit.Set("--backlog_wait_time", "15000")
			audit.OnlySystemCalls()
			before := audit.Status()
			c := startCaptureWith(t, KernelConfig{Pressure: pressure}, small)
			c.stalled.Store(true)
			const events = 20000
			audit.Generate(events, 0, "refused")
			// Three records an event: SYSCALL, PROCTITLE, EOE.
			audittest.Poll(t, "the last record is dealt with", func() bool {
				s := c.ring.Stats()
				return s.Received+s.Refused >= 3*events
			})
			n, first, last := c.ring.Refused()
			c.stalled.Store(false)
			c.end()

			stats, have := c.ring.Stats(), stored(c.text(), "refused")
			if n == 0 || first == 0 || last <= first {
				t.Errorf("%d refused, serials %d to %d", n, first, last)
			}
			if all := stats.Received + stats.Refused; all > 3*events+20 {
				t.Errorf("%d received and %d refused of %d", stats.Received, stats.Refused, 3*events)
			}
			for line := range strings.Lines(c.text()) {
				if h, _ := ParseHeader([]byte(line)); h.ID.Serial > first && h.ID.Serial < last {
					t.Fatalf("a record is stored in the midst of the gap %d to %d: %s", first, last, line)
				}
			}
			if missing := events - have; missing < int(last-first)-1 || missing > int(last-first)+1+8 {
				t.Errorf("%d events are missing, the gap is %d to %d", missing, first, last)
			}
			if lost := audit.Status().Lost - before.Lost; lost != 0 {
				t.Errorf("the kernel lost %d", lost)
			}
		})
	}
}

// What the kernel refuses for its rate limit has serials, and it counts it: both
// are found.
func TestSerialsOfRefusedEventsAreMissing(t *testing.T) {
	audit := audittest.Kernel(t)
	before := audit.Status()
	c := startCapture(t, KernelConfig{})
	audit.SendUserMessage(1112, "op=mark-begin")
	c.line("op=mark-begin")
	audit.Set("-r", "50")
	audit.Generate(5000, 0, "limited")
	audit.Set("-r", "0")
	audit.SendUserMessage(1112, "op=mark-end")
	c.line("op=mark-end")
	lost := uint64(audit.Status().Lost - before.Lost)
	c.end()

	heard, first, last := map[uint32]bool{}, uint32(0), uint32(0)
	for line := range strings.Lines(c.text()) {
		h, _ := ParseHeader([]byte(line))
		heard[h.ID.Serial] = true
		if strings.Contains(line, "op=mark-begin") {
			first = h.ID.Serial
		}
		if strings.Contains(line, "op=mark-end") {
			last = h.ID.Serial
		}
	}
	holes := uint64(0)
	for serial := first; serial != last; serial++ {
		if !heard[serial] {
			holes++
		}
	}
	u, err := c.Unheard(time.Now())
	if err != nil || u.Missing != holes || holes < 1000 || u.New.First <= first || u.New.Last >= last || lost < holes {
		t.Errorf("%d serials between %d and %d did not come, and the kernel lost %d; said: %+v, %v", holes, first, last, lost, u, err)
	}
}
