package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestWhatTheKernelKeepsForTheNextStartIsNotMissing: a kernel of its own, booted with
// audit=1 and a short queue, keeps what is audited while nothing runs. It comes late and is
// no gap; what its queue did not take is one.
func TestWhatTheKernelKeepsForTheNextStartIsNotMissing(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	inside := func(name string) string { return filepath.Join(dir, name) }
	self, err := os.Executable()
	must(t, err)
	must(t, os.WriteFile(inside("auditbridge.toml"), []byte("run-dir = \"/run/auditbridge\"\nstate-dir = \"/run/state\"\njournal-dir = \"/run/journal\"\n"), 0o600))
	must(t, os.WriteFile(inside("init"), fmt.Appendf(nil, `#!/bin/bash
cd %[1]s
mount -t proc none /proc
mount -t sysfs none /sys
mount -t tmpfs none /run
say() { for ((n = 1; n <= $2; n++)); do echo "-m $1-$n-end"; done >/run/words; auditctl -R /run/words; }
stored() { for n in {1..600}; do grep -q $1 /run/journal/0*.log && return; sleep 0.1; done; }
run() { # what it is to hear last, before it is stopped
	(exec -a auditbridge %[2]s run --config %[1]s/auditbridge.toml) 2>>said &
	for n in {1..600}; do [ "$(grep -c 'kernel audit taken' said)" = "$1" ] && break; sleep 0.1; done
	say heard-$1 1
	stored heard-$1-1-end
	kill %%1
	wait %%1
}
run 1
say kept 5
run 2
say over 60
run 3
cp /run/journal/0*.log .
echo o >/proc/sysrq-trigger
sleep 1000
`, dir, self), 0o700))
	bootKernel(t, dir, "audit=1", "audit_backlog_limit=32")
	segments, err := filepath.Glob(inside("0*.log"))
	must(t, err)
	all := ""
	for _, s := range segments {
		all += read(t, s)
	}
	runs := strings.Split(all, " op=start ")
	if len(runs) != 4 || strings.Count(all, "heard-") != 3 {
		t.Fatalf("run ran %d times:\n%s\n%s", len(runs)-1, read(t, inside("said")), all)
	}
	said := regexp.MustCompile(` op=serials-missing .* missing=(\d+) first-serial=(\d+) last-serial=(\d+) .* after=stop res=failed`)
	if n := strings.Count(runs[2], "msg='text=kept-"); n != 5 || said.MatchString(runs[2]) {
		t.Errorf("of 5 messages %d came late, or they are said to be missing:\n%s", n, runs[2])
	}
	kept := strings.Count(runs[3], "msg='text=over-")
	gap := said.FindStringSubmatch(runs[3])
	if gap == nil || kept == 0 || kept > 32 {
		t.Fatalf("of 60 messages %d came late, on record is %q:\n%s", kept, gap, runs[3])
	}
	n, first, last := number(t, gap[1]), number(t, gap[2]), number(t, gap[3])
	for at := first; at <= last; at++ {
		if !strings.Contains(all, fmt.Sprintf(":%d): ", at)) {
			n--
		}
	}
	if n != 0 || number(t, gap[1]) < 60-kept {
		t.Errorf("of 60 messages %d came late, on record is %q, %d too many", kept, gap[0], n)
	}
}
