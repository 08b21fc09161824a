package rules

import (
	"encoding/binary"
	"encoding/hex"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"auditbridge/internal/audittest"

	"github.com/google/go-cmp/cmp"
)

var (
	update   = flag.Bool("update", false, "capture anew what auditctl sends; needs root and strace")
	auditctl = flag.String("auditctl", "auditctl", "the auditctl to capture")
)

// TestTheKernelIsSentWhatAuditctlSends compares, for every line, the bytes of
// AUDIT_ADD_RULE or AUDIT_DEL_RULE with those that auditctl was seen to send.
// *.golden has them as: the line, the words that are not zero by their place, and
// the strings.
func TestTheKernelIsSentWhatAuditctlSends(t *testing.T) {
	for _, name := range []string{"testdata/lines-3.0.9", "testdata/lines-4.2.2"} {
		t.Run(filepath.Base(name), func(t *testing.T) { isSentAsByAuditctl(t, name) })
	}
}

func isSentAsByAuditctl(t *testing.T, name string) {
	lines, err := os.ReadFile(name + ".rules")
	if err != nil {
		t.Fatal(err)
	}
	if *update {
		captureAuditctl(t, string(lines), name+".golden")
	}
	golden, err := os.ReadFile(name + ".golden")
	if err != nil {
		t.Fatal(err)
	}
	host, err := ThisHost()
	if err != nil {
		t.Fatal(err)
	}
	host.Arch = 0xC000003E
	host.IsDir = func(path string) bool { return path == "/etc" || path == "/etc/ssh" }
	f, err := Parse(name+".rules", string(lines), host)
	if err != nil {
		t.Fatal(err)
	}
	var ours strings.Builder
	for _, s := range f.Statements {
		showsAndReadsBack(t, host, s.Rule)
		fmt.Fprintf(&ours, "%s\n\t%s\n", s.Text, condense(s.Rule.AppendWire(nil)))
	}
	if diff := cmp.Diff(strings.Split(string(golden), "\n"), strings.Split(ours.String(), "\n")); diff != "" {
		t.Errorf("%s: -auditctl +we: %s", name, diff)
	}
}

// condense writes a rule's bytes down so that they can be read: what is not zero.
// A row of equal words is one.
func condense(wire []byte) string {
	var b strings.Builder
	word := func(i int) uint32 { return binary.LittleEndian.Uint32(wire[4*i:]) }
	for i := 0; i < wireHeader/4; i++ {
		if word(i) == 0 {
			continue
		}
		fmt.Fprintf(&b, "%d", i)
		last := i
		for last+1 < wireHeader/4 && word(last+1) == word(i) {
			last++
		}
		if last > i {
			fmt.Fprintf(&b, "-%d", last)
		}
		fmt.Fprintf(&b, ":%x ", word(i))
		i = last
	}
	fmt.Fprintf(&b, "%q", wire[wireHeader:])
	return b.String()
}

// captureAuditctl has strace show the first message of each kind that auditctl
// sends for each line. What the kernel answers does not matter.
func captureAuditctl(t *testing.T, lines, golden string) {
	audittest.Kernel(t)
	sent := regexp.MustCompile(`nlmsg_type=AUDIT_(?:ADD|DEL)_RULE[^"]*"((?:\\x[0-9a-f]{2})+)"`)
	var out strings.Builder
	for line := range strings.Lines(lines) {
		line = strings.TrimSuffix(line, "\n")
		if line == "" || line[0] == '#' {
			continue
		}
		file := t.TempDir() + "/one.rules"
		if err := os.WriteFile(file, []byte(line+"\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		trace, err := exec.Command("strace", "-xx", "-s", "20000", "-e", "trace=sendto", *auditctl, "-R", file).CombinedOutput()
		m := sent.FindStringSubmatch(string(trace))
		if m == nil {
			t.Fatalf("%s: auditctl sent no rule: %v\n%s", line, err, trace)
		}
		wire, err := hex.DecodeString(strings.ReplaceAll(m[1], `\x`, ""))
		if err != nil || len(wire) < wireHeader {
			t.Fatalf("%s: %v", m[1], err)
		}
		wire = wire[:wireHeader+binary.LittleEndian.Uint32(wire[wireHeader-4:])] // padding follows
		fmt.Fprintf(&out, "%s\n\t%s\n", line, condense(wire))
	}
	if err := os.WriteFile(golden, []byte(out.String()), 0o644); err != nil {
		t.Fatal(err)
	}
}
