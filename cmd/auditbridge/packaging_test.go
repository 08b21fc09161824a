package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// installed is what `make install` puts below a root, with a program in it that
// can be started.
func installed(t *testing.T) (root string) {
	t.Helper()
	root = t.TempDir()
	makeTarget(t, "install", root)
	return root
}

// making is held by whoever runs make: it writes the program where it is built.
var making sync.Mutex

func makeTarget(t *testing.T, target, root string, more ...string) {
	t.Helper()
	making.Lock()
	defer making.Unlock()
	cmd := exec.Command("make", append([]string{"-C", "../..", target, "DESTDIR=" + root}, more...)...)
	if out, err := cmd.CombinedOutput(); err != nil {
		t.Fatalf("make %s: %v\n%s", target, err, out)
	}
}

// exposed is how much each unit may be: 10 is one that confines nothing. What they
// leave out, and why, they say.
var exposed = map[string]float64{"auditbridge.service": 4.7, "auditbridge-watch.service": 4.4, "auditbridge-rules.service": 3.2}

// TestUnitsAreValid: systemd understands each unit, and rates how much it confines.
func TestUnitsAreValid(t *testing.T) {
	beside(t)
	root := installed(t)
	units, err := filepath.Glob(filepath.Join(root, "usr/lib/systemd/system/*.service"))
	must(t, err)
	if len(units) < 3 {
		t.Fatalf("installed units: %v", units)
	}
	for _, unit := range units { // the programs they start are below the root
		text := strings.ReplaceAll(read(t, unit), "/usr/sbin/auditbridge", root+"/usr/sbin/auditbridge")
		text = strings.ReplaceAll(text, "/usr/lib/auditbridge", root+"/usr/lib/auditbridge")
		must(t, os.WriteFile(unit, []byte(text), 0o644))
	}
	verify := exec.Command("systemd-analyze", append([]string{"verify", "--man=no", "--recursive-errors=no"}, units...)...)
	if out, err := verify.CombinedOutput(); err != nil || len(out) > 0 {
		t.Errorf("systemd-analyze verify: %v\n%s", err, out)
	}
	exposure := regexp.MustCompile(`Overall exposure level for .*: ([0-9.]+) `)
	for _, unit := range units {
		out, err := exec.Command("systemd-analyze", "security", "--offline=yes", "--no-pager", unit).CombinedOutput()
		m := exposure.FindSubmatch(out)
		if err != nil || m == nil {
			t.Fatalf("systemd-analyze security %s: %v\n%s", filepath.Base(unit), err, out)
		}
		level, err := strconv.ParseFloat(string(m[1]), 64)
		must(t, err)
		t.Logf("%s: exposure level %v", filepath.Base(unit), level)
		most, known := exposed[filepath.Base(unit)]
		if level > most || !known {
			t.Errorf("%s: exposure level %v", filepath.Base(unit), level)
		}
	}
}

// TestTheWatchComesFirst: its unit is started before all it watches, whatever the
// kernel was booted with, again and again, and tells when the program is missing.
func TestTheWatchComesFirst(t *testing.T) {
	unit := read(t, "../../packaging/auditbridge-watch.service")
	for _, want := range []string{
		"\nBefore=auditbridge.service auditd.service ", "\nRestart=always\n", "\nStartLimitIntervalSec=0\n",
		"\nType=notify\n", "\nOOMScoreAdjust=-1000\n", "\nExecStopPost=-/usr/lib/auditbridge/missing /usr/sbin/auditbridge\n",
	} {
		if !strings.Contains(unit, want) {
			t.Errorf("it lacks %q", want)
		}
	}
	for _, wrong := range []string{"\nCondition", "\nPrivateDevices=", "\nDevicePolicy=", "\nBindsTo=", "\nRequires="} {
		if strings.Contains(unit, wrong) {
			t.Errorf("it has %q", wrong)
		}
	}
	if run := read(t, "../../packaging/auditbridge.service"); !strings.Contains(run, "\nWants=auditbridge-watch.service\n") || !strings.Contains(run, "\nOnFailure=auditbridge-watch.service\n") {
		t.Error("run does not want it")
	}
}

// TestOnlyADropInTakesAuditdsPlace: so whoever hides it has auditbridge beside auditd.
func TestOnlyADropInTakesAuditdsPlace(t *testing.T) {
	for _, word := range []string{"Conflicts=auditd.service", "augenrules --load"} {
		if !strings.Contains(read(t, "../../packaging/auditbridge.service.d/kernel.conf"), word) {
			t.Errorf("it lacks %q", word)
		}
	}
	if unit := read(t, "../../packaging/auditbridge.service"); regexp.MustCompile(`(?m)^(Conflicts=.*auditd|.*augenrules)`).MatchString(unit) {
		t.Error("the unit itself does")
	}
}

// TestRulesAreLoadedWhereEverybodyLooks: the kernel looks up the paths in rules in the
// mount namespace of whoever loads them, so that unit has none of its own.
func TestRulesAreLoadedWhereEverybodyLooks(t *testing.T) {
	unit := read(t, "../../packaging/auditbridge-rules.service")
	implies := regexp.MustCompile(`(?m)^(Private(Tmp|Devices|Mounts)|Protect(System|Home|Hostname|Kernel[A-Za-z]+|ControlGroups|Proc)|ProcSubset|Read(Only|Write)Paths|InaccessiblePaths|Bind[A-Za-z]*Paths|TemporaryFileSystem|DynamicUser|RootDirectory|MountAPIVFS|(State|Cache|Logs|Runtime)Directory)=`)
	if found := implies.FindString(unit); found != "" {
		t.Errorf("%s gives it one", found)
	}
	if !strings.Contains(unit, "\nExecStart=/usr/sbin/auditbridge rules load\n") || !strings.Contains(unit, " auditbridge.service ") {
		t.Errorf("it is\n%s", unit)
	}
}

// TestAMissingProgramIsTold: the unit's last resort tells terminals and the next
// login, every minute, and says nothing where the program is.
func TestAMissingProgramIsTold(t *testing.T) {
	beside(t)
	root := t.TempDir()
	ann := peertest.StartPerson(t, root, 46234, "bash")
	stopped := peertest.StartPerson(t, root, 46234, "less")
	stopped.Stop(t)
	tell := func(program string) {
		t.Helper()
		if out, err := exec.Command("../../packaging/missing", program, root).CombinedOutput(); err != nil {
			t.Fatalf("%v\n%s", err, out)
		}
	}
	motd := filepath.Join(root, "run/motd.d/00-auditbridge")
	tell("/bin/sh")
	if _, err := os.Stat(motd); err == nil {
		t.Error("told that a program is missing that is there")
	}
	tell("/usr/sbin/no-such-program")
	ann.Sees(t, "the program /usr/sbin/no-such-program is missing")
	if text := read(t, motd); !strings.Contains(text, "AUDIT LOGGING IS IMPAIRED") {
		t.Errorf("the next login sees %q", text)
	}
	tell("/usr/sbin/no-such-program")
	if n := strings.Count(ann.Shown(), "IS IMPAIRED"); n != 1 {
		t.Errorf("told %d times", n)
	}
	long := time.Now().Add(-2 * time.Minute)
	must(t, os.Chtimes(motd, long, long))
	tell("/usr/sbin/no-such-program")
	peertest.Until(t, "it is repeated after a minute", func() bool { return strings.Count(ann.Shown(), "IS IMPAIRED") == 2 })
	d := newDaemon(t, "")
	w := newLookout(t, d)
	w.root = root
	w.start()
	peertest.Until(t, "the watch has taken it away", func() bool {
		return !strings.Contains(w.motd(), "no-such-program")
	})
}

// TestOpenShellsSeeTheBanner: an interactive bash with the profile snippet shows the
// message before its next prompt, then one line of it, then nothing; it starts no
// program for that, and leaves what was in PROMPT_COMMAND.
func TestOpenShellsSeeTheBanner(t *testing.T) {
	dir := t.TempDir()
	banner, snippet, forged := filepath.Join(dir, "banner"), filepath.Join(dir, "profile.sh"), filepath.Join(dir, "forged")
	must(t, os.WriteFile(forged, []byte("WORKS AGAIN\n"), 0o644))
	must(t, os.WriteFile(snippet, []byte(strings.ReplaceAll(read(t, "../../packaging/profile.sh"), "/run/auditbridge/banner", banner)), 0o644))
	script := fmt.Sprintf(`PROMPT_COMMAND='echo "own:$?";'
PATH=/nonexistent
. %[1]s
. %[1]s
echo well
printf '%%s\n' 'IMPAIRED now' 'because' >%[2]s
echo again
false
echo -n >%[2]s
echo empty
exit
`, snippet, banner)
	cmd := exec.Command("bash", "--norc", "--noprofile", "-i")
	// What somebody left in the environment of a shell that another one opens.
	cmd.Env = append(os.Environ(), "PS1=", "HISTFILE=", "AUDITBRIDGE_BANNER="+forged, "__auditbridge_seen=IMPAIRED now")
	cmd.Stdin = strings.NewReader(script)
	out, err := cmd.Output()
	must(t, err)
	want := "own:0\nown:0\nwell\nown:0\nown:0\nIMPAIRED now\nbecause\nagain\nown:0\nIMPAIRED now\nown:1\nIMPAIRED now\nown:0\nempty\nown:0\n"
	if got := string(out); !strings.HasSuffix(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
}
