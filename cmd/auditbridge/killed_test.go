package main

import (
	"os"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// TestShipKilledIsStartedAgain: run notices, says so in status, starts it again,
// and nothing is missing at the far end.
func TestShipKilledIsStartedAgain(t *testing.T) {
	beside(t)
	collector := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin+plain("siem", collector.Port, `format = "audit"`))
	d.start()
	for i := range 3 {
		d.until("the link is up", func(s status.Status) bool { return s.Destinations[0].Connected })
		d.feed(numbered(1+100*i, 100))
		ship := shipOf(t, d.cmd.Process.Pid)
		must(t, syscall.Kill(ship, syscall.SIGKILL))
		peertest.Until(t, "another ship runs", func() bool {
			now := roleOf(d.cmd.Process.Pid, "ship")
			return now != 0 && now != ship && len(peertest.Descendants(d.cmd.Process.Pid)) == 2 // and the deputy
		})
	}
	d.untilDelivered()
	d.stop()
	d.untilReceived(collector)
	requireSameLines(t, d.journalLines(), collector.Received())
	d.verifies(collector.File)
}

// TestTheBooksBalanceAfterADeathWithinASync: what is written again then was received
// by the process before, and so is what that had written of a batch.
func TestTheBooksBalanceAfterADeathWithinASync(t *testing.T) {
	beside(t)
	d := newDaemon(t, "flush = \"data\"\n"+fromStdin) // it syncs most of the time
	for from, again := 1, false; !again; from += 1000 {
		d.start()
		again = strings.Contains(d.said.String(), "what it was for is written again")
		d.feed(numbered(from, 1000))
		d.until("the books balance", func(s status.Status) bool { return s.Balanced && s.Stored > 0 })
		d.kill()
	}
	d.start()
	d.until("the books balance", func(s status.Status) bool { return s.Balanced && s.InRing == 0 && s.Written == s.Durable })
	d.stop()
	d.verifies(d.journal)
}

// TestStatusAfterRunWasKilled: it exits 3 and says what is known.
func TestStatusAfterRunWasKilled(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	d.feed(numbered(1, 100))
	d.until("all is durable", func(s status.Status) bool { return s.Stored == 100 && s.Durable == s.Written })
	before, _ := d.status()
	d.kill()
	out, _, code := auditbridgeCommand(t, "status", "--config", d.config)
	if code != 3 || !strings.HasPrefix(out, "IMPAIRED since ") || !strings.Contains(out, "auditbridge run is not running; its last sign of life was ") {
		t.Errorf("status exits %d and says\n%s", code, out)
	}
	if s, ok := d.status(); !ok || s.Running || s.Durable < before.Durable || s.Disk.UsedBytes == 0 {
		t.Errorf("what is known of the journal: %+v", s)
	}
	if _, err := os.Stat(d.journal + "/mark"); err != nil {
		t.Error(err)
	}
}
