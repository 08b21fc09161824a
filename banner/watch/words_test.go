package watch

import (
	"strings"
	"testing"
	"time"

	"auditbridge/internal/status"
	"auditbridge/internal/terminal"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"
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

// Whatever a host, a process or a server calls itself, and whatever an error says:
// what goes to terminals, to syslog and into files shows itself and does nothing
// else, and no line of it begins as one of ours that it is not.
func TestNoWordsDoMoreThanShowThemselves(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		foreign := rapid.OneOf(rapid.String(), rapid.Map(rapid.SliceOf(rapid.Byte()), func(b []byte) string { return string(b) }),
			rapid.SampledFrom([]string{"\x1b[2J\x1b[H", "a\n*** AUDIT LOGGING WORKS AGAIN ***", "\u202e\u2066", "\x9b31m", "\r\b\a\x00\x7f"}))
		node := foreign.Draw(t, "node")
		v := Verdict{State: status.Impaired, Since: at(0)}
		for _, k := range rapid.SliceOfN(rapid.SampledFrom(Kinds()), 1, 5).Draw(t, "kinds") {
			v.Raised = append(v.Raised, Raised{Finding{k.ID, foreign.Draw(t, "object"), foreign.Draw(t, "detail")}, at(0)})
		}
		h := &herald{settings: &Settings{Node: node}}
		for _, text := range []string{v.Impaired(node, time.Minute), v.Restored(node, at(0), v.Codes()), h.details(&v), diskText(node, "disk-full", &status.Disk{})} {
			if safe := terminal.SafeLines(text); safe != text {
				t.Fatalf("%q", text)
			}
			for i, line := range strings.Split(text, "\n") {
				if i > 0 && strings.HasPrefix(line, "***") {
					t.Fatalf("a line of somebody else's: %q", text)
				}
			}
		}
		if strings.Contains(h.details(&v), "\n") {
			t.Fatalf("syslog is told more than a line: %q", h.details(&v))
		}
	})
}
