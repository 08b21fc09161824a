package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/internal/audittest"
	"auditbridge/internal/status"
)

// TestWhatPassesWhileNothingRunsIsOnRecord: where audit stays on when run is stopped, what
// the kernel audits until the next start is a gap on record, from the last word of the run
// before, in serials and in number; an alarm is raised, status tells, and the books hold it.
func TestWhatPassesWhileNothingRunsIsOnRecord(t *testing.T) {
	for source, op := range map[string]string{"kernel": "serials-missing", "multicast": "multicast-lost"} {
		t.Run(source, func(t *testing.T) {
			t.Parallel()
			kernel := audittest.Kernel(t)
			kernel.Enable() // by somebody else: it stays so
			d := newDaemon(t, fmt.Sprintf("[audit]\nsource = %q\n", source))
			d.start()
			kernel.Generate(100, 0, "before")
			d.until("it is stored", func(s status.Status) bool { return s.Stored >= 300 })
			d.stop()
			kernel.Generate(1000, 0, "meanwhile")
			d.start()
			kernel.Generate(100, 0, "after")
			d.until("what passed is known", func(s status.Status) bool {
				return s.Away != nil && s.Away.Missing >= 1000 && slices.ContainsFunc(s.Alarms, func(a status.Alarm) bool { return a.ID == "records-lost" })
			})
			s, _ := d.status()
			if !s.Balanced || s.State != status.Degraded || s.Losing != status.LosingNo || s.KernelLost < s.Away.Missing || s.Gaps == 0 {
				t.Errorf("status says %+v, %+v", s, s.Away)
			}
			words := fmt.Sprintf("run was stopped from %s to %s: %d events passed unheard, serials %d to %d\n",
				s.Away.Since.UTC().Format("2006-01-02T15:04:05Z"), s.Away.Until.UTC().Format("2006-01-02T15:04:05Z"), s.Away.Missing, s.Away.First, s.Away.Last)
			if text := d.text(); strings.Count(text, words) != 2 { // why it is degraded, and beside the figures
				t.Errorf("status says\n%swant\n%s", text, words)
			}
			d.stop()

			said := regexp.MustCompile(` op=` + op + ` .* missing=(\d+) first-serial=(\d+) last-serial=(\d+) since=([0-9.]+) until=([0-9.]+) after=stop res=failed`)
			gap := said.FindStringSubmatch(strings.Join(d.journalLines(), "\n"))
			if gap == nil {
				t.Fatalf("not on record:\n%s", strings.Join(d.journalLines(), "\n"))
			}
			if n, first, last := d.unheardWhileAway(); gap[1] != fmt.Sprint(n) || gap[2] != fmt.Sprint(first) || gap[3] != fmt.Sprint(last) {
				t.Errorf("on record: %s\nthe journal lacks %d events, serials %d to %d", gap[0], n, first, last)
			}
			d.onRecord("msg=audit("+gap[4]+":", " op=stop ")
		})
	}
}

// unheardWhileAway is which of the kernel's serials the journal lacks between two runs: the
// last that came before the first farewell, and the first that came later.
func (d *instance) unheardWhileAway() (n int, first, last uint32) {
	d.t.Helper()
	stopped, came := false, map[uint32]bool{}
	var before, after uint32
	for _, line := range d.journalLines() {
		h, ok := auditbridge.ParseHeader([]byte(line))
		switch {
		case !ok:
			d.t.Fatalf("not a record: %s", line)
		case h.Own():
			stopped = stopped || strings.Contains(line, "op=stop ")
			continue
		case !stopped:
			before = max(before, h.ID.Serial)
		case after == 0:
			after = h.ID.Serial
		}
		came[h.ID.Serial] = true
	}
	for serial := before + 1; serial < after; serial++ {
		if came[serial] {
			continue
		}
		if n++; n == 1 {
			first = serial
		}
		last = serial
	}
	return n, first, last
}

// TestNothingPassesWhileAuditIsOff: where run itself had switched audit on, its stop
// switches it off, serials stand still, and the next start misses nothing.
func TestNothingPassesWhileAuditIsOff(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	d := newDaemon(t, "")
	for range 2 {
		d.start()
		kernel.Generate(100, 0, "run")
		d.until("it is stored", func(s status.Status) bool { return s.Stored >= 300 })
		d.stop()
		kernel.Generate(1000, 0, "meanwhile")
	}
	d.requireEachOnce("run", 200)
	if all := strings.Join(d.journalLines(), "\n"); strings.Contains(all, "op=serials-missing ") || strings.Contains(all, `key="meanwhile"`) {
		t.Errorf("something is said to be missing:\n%s", all)
	}
}
