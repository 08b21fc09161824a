package forward

import (
	"slices"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

// A stock rsyslog reads messages that end in LF as those that begin with their
// length.
func TestLinesToStockRsyslog(t *testing.T) {
	t.Parallel()
	far := peertest.StartRsyslog(t)
	c := to(far.Port)
	c.Framing = FramingLF
	lines := events(0, 100)
	r := startRelay(t, c, newMemJournal(lines...), direct{c.withDefaults()}, journal.Cursor{})
	peertest.Until(t, "connected", func() bool { return r.Stats().Connected })
	r.end(t) // in order: the far end's close says that it has all
	if n := r.Stats().Delivered; int(n) != len(lines) {
		t.Errorf("%d delivered, want %d", n, len(lines))
	}
	peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
	if got := rawLines(far.Received()); !slices.Equal(got, lines) {
		t.Errorf("rsyslog has %d lines, want the %d sent", len(got), len(lines))
	}
}

// What a process names itself cannot begin a message of its own, whatever the
// format: an LF in it is written as something else.
func TestNoMessageHoldsALineFeed(t *testing.T) {
	forged := line("USER_CMD", 1, `pid=1 uid=0 auid=1000 ses=1 msg='cwd="/" cmd=6C730A3C33383E3120666F72676564 exe="/usr/bin/sudo" terminal=x res=success'`)
	for _, format := range Formats {
		messages, s := play(t, testConfig(format), journal.Cursor{}, []string{forged})
		s.end()
		for _, m := range append(messages, frames(t, s)...) {
			if strings.Contains(m, "\n") {
				t.Errorf("%s: %q", format, m)
			}
		}
	}
}
