package watch

import (
	"strings"
	"testing"
	"time"

	"auditbridge/internal/status"

	"github.com/google/go-cmp/cmp"
)

// What operators read says what is wrong, since when, what the host does next, how
// to confirm it, and where more is said; foreign text in it only shows itself.
func TestTheWordsOfABanner(t *testing.T) {
	v := Verdict{State: status.Impaired, Since: at(1000), Raised: []Raised{
		{Finding{"run-gone", "", "pid 4711"}, at(0)},
		{Finding{"kernel-off", "", "enabled 0"}, at(1000)},
		{Finding{"link-down", "siem\x1b[2J", "refused"}, at(0)},
	}}
	want := `*** AUDIT LOGGING IS IMPAIRED on host\x1B since 2023-11-14 22:13:21 UTC ***
  - auditbridge run has ended: pid 4711. [run-gone, since 22:13:20]
    Nobody records what the kernel audits: it keeps what its queue takes and
    drops the rest. Where systemd runs it, it is started again.
    To confirm: systemctl status auditbridge; systemctl start auditbridge.
  - Kernel audit is switched off: enabled 0. [kernel-off, since 22:13:21]
    Nothing on this host is audited until it is switched on again.
    To confirm: auditctl -s shows enabled 0; auditctl -e 1 switches it on.
    Find out who switched it off.
  also: link-down of siem\x1B[2J
All of it: auditbridge status. The codes in brackets are explained in
/usr/share/doc/auditbridge/operations.md. This is repeated every minute until
it is mended.
`
	if diff := cmp.Diff(want, v.Impaired("host\x1b", time.Minute)); diff != "" {
		t.Error(diff)
	}
	after := Verdict{State: status.Degraded, Since: at(63000), Raised: v.Raised[2:]}
	want = `*** AUDIT LOGGING WORKS AGAIN on host since 2023-11-14 22:14:23 UTC ***
    It was impaired for 1m2s: run-gone, kernel-off, link-down of siem\x1B[2J.
    Still to be looked after: link-down of siem\x1B[2J. See auditbridge
    status.
`
	if diff := cmp.Diff(want, after.Restored("host", v.Since, v.Codes())); diff != "" {
		t.Error(diff)
	}
}

// However long foreign text is, a banner fits a screen, and no line is cut by it.
func TestABannerFitsAScreen(t *testing.T) {
	v := Verdict{State: status.Impaired}
	for _, k := range Kinds() {
		v.Raised = append(v.Raised, Raised{Finding{k.ID, strings.Repeat("ö", 20), strings.Repeat("word ü ", 1000)}, at(0)})
	}
	text := v.Impaired("host", time.Minute)
	if n := strings.Count(text, "\n"); n > 60 {
		t.Errorf("%d lines", n)
	}
	for line := range strings.Lines(text) {
		if n := len([]rune(line)); n > columns+2 {
			t.Errorf("%d columns: %q", n, line)
		}
	}
}
