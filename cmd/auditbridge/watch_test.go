package main

import (
	"fmt"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/banner"
	"auditbridge/banner/watch"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// watchRootVariable names, in the environment of this test binary, what stands in
// front of every path where the watch tells people something.
const watchRootVariable = "AUDITBRIDGE_TEST_ROOT"

// lookout is `auditbridge watch` beside an instance, with a root of its own: no
// terminal and no motd of the host is below it.
type lookout struct {
	t    *testing.T
	d    *instance
	root string
	as   func(*exec.Cmd) // changes how it is started; nil for not at all
	cmd  *exec.Cmd
	said *lockedBuffer
	dead chan struct{}
}

// quickly repeats every second, so that a test sees it.
const quickly = "[banner]\nrepeat = \"1s\"\n"

// elsewhere is a source that is not this host's kernel: whatever others do to that
// meanwhile is of no concern.
func elsewhere(t *testing.T) (settings, log string) {
	t.Helper()
	log = filepath.Join(t.TempDir(), "audit.log")
	must(t, os.WriteFile(log, nil, 0o600))
	return fmt.Sprintf("[audit]\nsource = %q\n", "file:"+log), log
}

func newLookout(t *testing.T, d *instance) *lookout {
	t.Helper()
	must(t, os.MkdirAll(d.root, 0o755))
	return &lookout{t: t, d: d, root: d.root}
}

func (w *lookout) start() {
	w.t.Helper()
	w.cmd = program("watch", "--config", w.d.config)
	w.cmd.Env = append(os.Environ(), watchRootVariable+"="+w.root)
	w.said = &lockedBuffer{}
	w.cmd.Stdout, w.cmd.Stderr = w.said, w.said
	if w.as != nil {
		w.as(w.cmd)
	}
	must(w.t, peertest.StartChild(w.cmd))
	cmd, dead, said := w.cmd, make(chan struct{}), w.said
	w.dead = dead
	go func() {
		cmd.Wait()
		close(dead)
	}()
	w.t.Cleanup(func() {
		cmd.Process.Signal(syscall.SIGKILL)
		<-dead
		if w.t.Failed() {
			w.t.Logf("auditbridge watch said:\n%s", said)
		}
	})
	peertest.Until(w.t, "the watch is at work", func() bool { return strings.Contains(said.String(), "auditbridge watches") })
}

func (w *lookout) stop() {
	w.t.Helper()
	must(w.t, w.cmd.Process.Signal(syscall.SIGTERM))
	<-w.dead
}

func (w *lookout) kill() {
	w.t.Helper()
	must(w.t, w.cmd.Process.Kill())
	<-w.dead
}

// motd is what the next login sees.
func (w *lookout) motd() string {
	text, _ := os.ReadFile(filepath.Join(w.root, "run/motd.d/00-auditbridge"))
	return string(text)
}

// left lists what the watch left for others to see.
func (w *lookout) left() (all []string) {
	for _, name := range []string{"run/motd.d/00-auditbridge", "etc/issue.d/00-auditbridge.issue"} {
		if _, err := os.Lstat(filepath.Join(w.root, name)); err == nil {
			all = append(all, name)
		}
	}
	for _, name := range []string{"banner", "issue", "issue.net"} {
		if _, err := os.Lstat(filepath.Join(w.d.dir, "run", name)); err == nil {
			all = append(all, name)
		}
	}
	return all
}

// quiet waits until nothing is left, because auditing works.
func (w *lookout) quiet() {
	w.t.Helper()
	peertest.Until(w.t, "all messages are gone", func() bool { return len(w.left()) == 0 })
}

// listenAsSyslog takes what is said to the host's syslog below root.
func listenAsSyslog(t *testing.T, root string) <-chan string {
	t.Helper()
	must(t, os.MkdirAll(filepath.Join(root, "dev"), 0o755))
	conn, err := net.ListenUnixgram("unixgram", &net.UnixAddr{Name: filepath.Join(root, "dev/log"), Net: "unixgram"})
	must(t, err)
	t.Cleanup(func() { conn.Close() })
	said := make(chan string, 100)
	go func() {
		buf := make([]byte, 64<<10)
		for {
			n, err := conn.Read(buf)
			if err != nil {
				return
			}
			said <- string(buf[:n])
		}
	}()
	return said
}

// seen waits until a person's terminal shows the code of a finding anew, and says
// how long after from that was.
func seen(t *testing.T, p *peertest.Person, code string, from time.Time) {
	t.Helper()
	at := p.Sees(t, "["+code+",")
	t.Logf("%s: told after %v", code, at.Sub(from).Round(time.Millisecond))
}

// seen waits for the message on p's terminal, and then until the next login would see
// one, too: terminals are told first.
func (w *lookout) seen(p *peertest.Person, code string, from time.Time) {
	w.t.Helper()
	seen(w.t, p, code, from)
	peertest.Until(w.t, "the message is posted", func() bool { return len(w.left()) > 0 })
}

// TestEveryOperatorHearsThatRunIsGone: run is killed while people sit at terminals.
// All of them are told, again and again; the next login is, and shells that are
// open; when run is back they are told so, nothing is left, and both are on record
// with the time when they were, shipped as alarms.
func TestEveryOperatorHearsThatRunIsGone(t *testing.T) {
	beside(t)
	t.Run("T-BANNER", everyOperatorHearsThatRunIsGone)
}

func everyOperatorHearsThatRunIsGone(t *testing.T) {
	collector := peertest.StartRsyslog(t)
	source, _ := elsewhere(t)
	d := newDaemon(t, source+quickly+plain("siem", collector.Port, `include = ["login"]`))
	w := newLookout(t, d)
	ann, ben := peertest.StartPerson(t, w.root, 46234, "bash"), peertest.StartPerson(t, w.root, 46235, "vim")
	stopped := peertest.StartPerson(t, w.root, 46234, "less")
	stopped.Stop(t)
	d.start()
	syslog := listenAsSyslog(t, w.root)
	w.start()
	d.until("run has heard of the watch", func(s status.Status) bool { return s.Watch != nil && s.Watch.State == status.OK })
	killed := time.Now()
	d.kill()
	w.seen(ann, "run-gone", killed)
	w.seen(ben, "run-gone", killed)
	peertest.Until(t, "it is repeated", func() bool { return strings.Count(ann.Shown(), "IS IMPAIRED") >= 3 })
	if text := w.motd(); !strings.Contains(text, "auditbridge run has ended: pid ") || !strings.Contains(text, "To confirm: systemctl status auditbridge") {
		t.Errorf("the next login sees %q", text)
	}
	if left := w.left(); strings.Join(left, " ") != "run/motd.d/00-auditbridge etc/issue.d/00-auditbridge.issue banner issue" {
		t.Errorf("left for others: %v", left)
	}
	if text := <-syslog; !strings.HasPrefix(text, "<32>auditbridge[") || !strings.Contains(text, "audit logging is impaired on ") || !strings.Contains(text, ": run-gone (pid ") {
		t.Errorf("syslog has %q", text)
	}
	out, _, code := auditbridgeCommand(t, "status", "--config", d.config)
	if code != 3 || !strings.Contains(out, "watch:   impaired since ") || !strings.Contains(out, ": run-gone") {
		t.Errorf("status exits %d and says\n%s", code, out)
	}
	d.start()
	for _, p := range []*peertest.Person{ann, ben} {
		p.Sees(t, "AUDIT LOGGING WORKS AGAIN")
	}
	w.quiet()
	if strings.Contains(stopped.Shown(), "IMPAIRED") {
		t.Error("a terminal that is stopped was told")
	}
	d.onRecord("op=watch-begins ", " watch-pid=")
	d.onRecord("op=banner-raised ", " because=run-gone ", "res=failed")
	d.onRecord("op=banner-cleared ", " because=run-gone ", "res=success")
	peertest.Until(t, "the far end has heard both", func() bool {
		all := strings.Join(collector.Received(), "\n")
		return strings.Contains(all, "banner-raised") && strings.Contains(all, "banner-cleared")
	})
	d.stop()
	w.seen(ann, "run-gone", killed)
}

// TestOperatorsHearWhatIsWrongWithRun: each way in which run can fail to work is
// told by its own name, and is over when it is mended.
func TestOperatorsHearWhatIsWrongWithRun(t *testing.T) {
	beside(t)
	t.Run("T-BANNER", operatorsHearWhatIsWrongWithRun)
}

func operatorsHearWhatIsWrongWithRun(t *testing.T) {
	source, _ := elsewhere(t)
	d := newDaemon(t, source+quickly)
	w := newLookout(t, d)
	w.start()
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	w.seen(ann, "run-absent", time.Now())

	d.start()
	w.quiet()
	must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	w.seen(ann, "run-stopped", time.Now())
	must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	w.quiet()
	d.onRecord("op=banner-raised ", " because=run-stopped ")

	freeze, thaw := freezer(t, d.cmd.Process.Pid)
	freeze()
	w.seen(ann, "run-silent", time.Now())
	thaw()
	w.quiet()
	d.onRecord("op=banner-raised ", " because=run-silent ")

	d.stop()
	w.seen(ann, "run-gone", time.Now())
	d.configure(source + quickly + "retenton = \"1d\"\n")
	from := time.Now()
	d.launch()
	<-d.ended
	w.seen(ann, "run-failed", from)
	ann.Sees(t, "also: configuration-invalid")
	peertest.Until(t, "the next login sees why", func() bool {
		text := strings.Join(strings.Fields(w.motd()), " ")
		return strings.Contains(text, "auditbridge run failed: ") && strings.Contains(text, "unknown key")
	})
	d.configure(source + quickly)
	d.start()
	w.quiet()
	d.onRecord("op=banner-changed ", " because=run-failed,")
	d.stop()
}

// freezer puts a process where it can be frozen: it hangs then, and no signal says so.
func freezer(t *testing.T, pid int) (freeze, thaw func()) {
	t.Helper()
	mounts, err := os.ReadFile("/proc/self/mounts")
	must(t, err)
	place := regexp.MustCompile(`(?m)^\S+ (\S+) cgroup2 `).FindSubmatch(mounts)
	if place == nil {
		t.Fatal("cgroup2 is mounted nowhere")
	}
	for _, left := range glob(t, string(place[1])+"/auditbridge-test-*") {
		os.Remove(left) // by a test that was aborted; one that holds a process stays
	}
	dir, err := os.MkdirTemp(string(place[1]), "auditbridge-test-")
	must(t, err)
	set := func(name, value string) func() {
		return func() { must(t, os.WriteFile(filepath.Join(dir, name), []byte(value), 0)) }
	}
	set("cgroup.procs", fmt.Sprint(pid))()
	t.Cleanup(func() {
		os.WriteFile(filepath.Join(dir, "cgroup.freeze"), []byte("0"), 0)
		peertest.Until(t, "its cgroup is removed", func() bool { return os.Remove(dir) == nil })
	})
	return set("cgroup.freeze", "1"), set("cgroup.freeze", "0")
}

// TestARestartedWatchGoesOn: a watch that is killed while something is wrong leaves
// the message; the next one neither tells it as news nor forgets to take it back.
// run notices that it is gone, on record, and tells who is there.
func TestARestartedWatchGoesOn(t *testing.T) {
	beside(t)
	source, _ := elsewhere(t)
	d := newDaemon(t, source+"[banner]\nrepeat = \"24h\"\n")
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	d.until("run has heard of the watch", func(s status.Status) bool { return s.Watch != nil })
	must(t, w.cmd.Process.Signal(syscall.SIGSTOP))
	stopped := time.Now()
	t.Logf("watch-gone: told after %v", ann.Sees(t, "[watch-gone]").Sub(stopped))
	d.until("run misses the watch", func(s status.Status) bool {
		return s.Watch.Missing == "its process is stopped" && hasAlarm(s, "watch-gone")
	})
	peertest.Until(t, "the next login sees it", func() bool { return strings.Contains(w.motd(), "AUDIT LOGGING IS NOT WATCHED") })
	must(t, w.cmd.Process.Signal(syscall.SIGCONT))
	ann.Sees(t, "AUDIT LOGGING IS WATCHED AGAIN")
	w.quiet()
	d.until("it is back", func(s status.Status) bool { return s.Watch.Missing == "" && !hasAlarm(s, "watch-gone") })
	must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	ann.Sees(t, "[run-stopped,")
	peertest.Until(t, "the watch remembers it", func() bool { return strings.Contains(w.said.String(), "operators are told") })
	w.kill()
	if w.motd() == "" {
		t.Error("the message went with the watch")
	}
	w.start()
	must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	w.quiet()
	ann.Sees(t, "AUDIT LOGGING WORKS AGAIN")
	if n := strings.Count(ann.Shown(), "IS IMPAIRED"); n != 1 {
		t.Errorf("told %d times", n)
	}
	w.kill()
	d.until("run misses the watch", func(s status.Status) bool {
		return s.Watch.Missing == "its process has ended" && hasAlarm(s, "watch-gone")
	})
	d.onRecord("op=alarm-raised ", " alarm=watch-gone ")
	d.stop()
}

// TestRunThatIsStartedAnewMissesTheWatch: whoever ends the watch, and then has run
// started anew, does not get rid of it so; one that was there in no run of this boot,
// or was taken away, is not missed.
func TestRunThatIsStartedAnewMissesTheWatch(t *testing.T) {
	dir := t.TempDir()
	missed := func(began time.Time) bool {
		var s status.Status
		(&watched{runDir: dir, began: began}).fill(&s)
		return s.Watch != nil && s.Watch.Missing != ""
	}
	long, now := time.Now().Add(-time.Hour), time.Now()
	if missed(long) {
		t.Error("there was none")
	}
	watch.New(watch.Config{Logger: slog.New(slog.DiscardHandler), Settings: func() (*watch.Settings, bool, error) {
		return &watch.Settings{RunDir: dir, StateDir: dir, Places: banner.Places{Root: dir, RunDir: dir}}, true, nil
	}})
	if missed(now) || !missed(long) {
		t.Error("it is not missed, or before it had time to find run")
	}
	must(t, watch.Forget(dir))
	if missed(long) {
		t.Error("it was taken away")
	}
}

// TestSnooze: root may keep the message from terminals for a while, with a reason,
// on record; the next login sees it all the same, and terminals hear what is new.
func TestSnooze(t *testing.T) {
	beside(t)
	source, _ := elsewhere(t)
	d := newDaemon(t, source+quickly)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	w.start()
	w.seen(ann, "run-absent", time.Now())
	out, errs, code := auditbridgeCommand(t, "watch", "snooze", "--for", "1h", "--reason", "known\x1b[2J, being mended", "--config", d.config)
	if code != 0 || !strings.Contains(out, "not repeated on terminals until ") {
		t.Fatalf("snooze: %d %s%s", code, out, errs)
	}
	before := strings.Count(ann.Shown(), "IS IMPAIRED")
	if w.motd() == "" {
		t.Error("the next login sees nothing")
	}
	d.start()
	ann.Sees(t, "WORKS AGAIN")
	if n := strings.Count(ann.Shown(), "IS IMPAIRED"); n > before+1 { // one may have been under way
		t.Errorf("repeated %d times while it was not to be", n-before)
	}
	d.onRecord("op=banner-snoozed ", " uid=0 ", " reason=")
	for _, wrong := range [][]string{{"--for", "1h"}, {"--for", "48h", "--reason", "x"}, {"--for", "1h", "--reason", " "}} {
		if _, _, code := auditbridgeCommand(t, append([]string{"watch", "snooze", "--config", d.config}, wrong...)...); code == 0 {
			t.Errorf("%v was taken", wrong)
		}
	}
	d.stop()
	if _, errs, code := auditbridgeCommand(t, "watch", "clear", "--config", d.config); code == 0 || !strings.Contains(errs, "is running") {
		t.Errorf("cleared under a running watch: %s", errs)
	}
	w.seen(ann, "run-gone", time.Now())
	w.stop()
	if len(w.left()) == 0 {
		t.Error("a watch that is stopped takes back what still holds")
	}
	barred := filepath.Join(w.root, "run/nologin")
	for text, stays := range map[string]bool{"auditbridge: audit-failure: nobody has brought auditing back\n": false, "The site is being moved.\n": true} {
		must(t, os.WriteFile(barred, []byte(text), 0o644))
		clear := program("watch", "clear", "--config", d.config)
		clear.Env = append(os.Environ(), watchRootVariable+"="+w.root)
		if out, err := clear.CombinedOutput(); err != nil || len(w.left()) != 0 {
			t.Errorf("clear: %v %s; left %v", err, out, w.left())
		}
		if _, err := os.Stat(barred); stays != (err == nil) {
			t.Errorf("clear: nologin with %q: %v", text, err)
		}
	}
	if _, errs, code := auditbridgeCommand(t, "watch", "snooze", "--reason", "x", "--config", d.config); code == 0 || !strings.Contains(errs, "is not running") {
		t.Errorf("without a watch: %s", errs)
	}
}

// TestAHookIsToldOfEachChangeOnce.
func TestAHookIsToldOfEachChangeOnce(t *testing.T) {
	beside(t)
	dir := t.TempDir()
	hook, heard := filepath.Join(dir, "hook"), filepath.Join(dir, "heard")
	must(t, os.WriteFile(hook, []byte("#!/bin/sh\ncat >>"+heard+"\n[ -e "+dir+"/fails ] && echo 'no \033[2J' && exit 1\nexit 0\n"), 0o700))
	source, _ := elsewhere(t)
	d := newDaemon(t, source+quickly+fmt.Sprintf("exec = %q\n", hook))
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	d.until("run has heard of the watch", func(s status.Status) bool { return s.Watch != nil })
	must(t, os.WriteFile(dir+"/fails", nil, 0o600))
	must(t, d.cmd.Process.Signal(syscall.SIGSTOP))
	peertest.Until(t, "it is repeated", func() bool { return strings.Count(ann.Shown(), "IS IMPAIRED") >= 3 })
	peertest.Until(t, "the hook was told", func() bool { return strings.Contains(w.said.String(), "could not run the hook") })
	must(t, os.Remove(dir+"/fails"))
	must(t, d.cmd.Process.Signal(syscall.SIGCONT))
	ann.Sees(t, "WORKS AGAIN")
	var events []string
	peertest.Until(t, "the hook has heard of both", func() bool {
		text, _ := os.ReadFile(heard)
		events = strings.Split(strings.TrimSpace(string(text)), "\n")
		return len(events) == 2
	})
	if !strings.HasPrefix(events[0], `{"event":"raised","node":`) || !strings.Contains(events[0], `"code":"run-stopped"`) || !strings.HasPrefix(events[1], `{"event":"cleared"`) {
		t.Errorf("%q", events)
	}
	d.onRecord("op=hook-failed ", " reason=")
	d.stop()
}

// TestTheNextLoginSeesTheBanner: whoever logs in over ssh while auditing does not
// work reads it behind the site's own text, before the password, and again in the
// message of the day; when it works, the site's own text and nothing else.
func TestTheNextLoginSeesTheBanner(t *testing.T) {
	beside(t)
	t.Run("T-BANNER", theNextLoginSeesTheBanner)
}

func theNextLoginSeesTheBanner(t *testing.T) {
	source, _ := elsewhere(t)
	d := newDaemon(t, source+quickly+"sshd-banner = true\nsshd-text = \"/site-text\"\n")
	w := newLookout(t, d)
	must(t, os.WriteFile(filepath.Join(w.root, "site-text"), []byte("Authorized use only.\n"), 0o644))
	must(t, os.MkdirAll(filepath.Join(w.root, "run"), 0o755))
	must(t, os.Chmod(w.root, 0o755))
	w.start()
	peertest.Until(t, "it is told that run is not there", func() bool { return w.motd() != "" })
	sshd := peertest.StartLoginSSHDBelow(t, w.root, "Banner "+filepath.Join(d.dir, "run", "issue.net"))
	shown := sshd.Sit(t)
	before, after, _ := strings.Cut(shown, "[run-absent,")
	if !strings.Contains(before, "Authorized use only.") || strings.Count(shown, "AUDIT LOGGING IS IMPAIRED") != 2 || !strings.Contains(after, "[run-absent,") {
		t.Errorf("a login shows\n%s", shown)
	}
	d.start()
	peertest.Until(t, "it is over", func() bool {
		text, err := os.ReadFile(filepath.Join(d.dir, "run", "issue.net"))
		return err == nil && !strings.Contains(string(text), "IMPAIRED") && w.motd() == ""
	})
	if shown := sshd.Sit(t); strings.Contains(shown, "IMPAIRED") || !strings.Contains(shown, "Authorized use only.") {
		t.Errorf("when all is well, a login shows\n%s", shown)
	}
	d.stop()
}

// TestAFullDiskIsTold, and that it has room again.
func TestAFullDiskIsTold(t *testing.T) {
	beside(t)
	t.Run("T-BANNER", aFullDiskIsTold)
}

func aFullDiskIsTold(t *testing.T) {
	source, log := elsewhere(t)
	d := newDaemon(t, source+quickly)
	smallDisk(t, d, "40m")
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	d.until("run has heard of the watch", func(s status.Status) bool { return s.Watch != nil })
	remove := ballast(t, d)
	from := time.Now()
	must(t, os.WriteFile(log, []byte(numbered(1, 8000)), 0o600))
	w.seen(ann, "disk-full", from)
	remove()
	w.quiet()
	d.onRecord("op=banner-raised ", "disk-full")
	d.onRecord("op=banner-cleared ", "disk-full")
	d.stop()
}

// TestRecordsThatWaitTooLongAreTold: a server that is not there is no failure of
// auditing, until what it has not got is older than max-lag.
func TestRecordsThatWaitTooLongAreTold(t *testing.T) {
	beside(t)
	source, log := elsewhere(t)
	port := peertest.FreePort(t)
	server := plain("siem", port, `include = ["all"]`)
	d := newDaemon(t, source+quickly+server)
	w := newLookout(t, d)
	ann := peertest.StartPerson(t, w.root, 46234, "bash")
	d.start()
	w.start()
	must(t, os.WriteFile(log, []byte(numbered(1, 10)), 0o600))
	d.until("run has heard of the watch", func(s status.Status) bool { return s.Watch != nil })
	for range 3 {
		d.until("the watch has looked again", heardAnew(d))
	}
	if strings.Contains(ann.Shown(), "IMPAIRED") {
		t.Errorf("told before it was time: %s", ann.Shown())
	}
	d.configure(source + quickly + "max-lag = \"1s\"\n" + server)
	seen(t, ann, "link-late", time.Now())
	peertest.Until(t, "the next login sees it", func() bool {
		return strings.Contains(strings.Join(strings.Fields(w.motd()), " "), "Records have waited for a remote server for too long: siem: the oldest is of ")
	})
	d.configure(source + quickly + "max-lag = \"1s\"\n" + strings.Replace(spoken("relp", peertest.StartRELP(t).Port, `include = ["all"]`), `name = "relp"`, `name = "siem"`, 1))
	d.onRecord("op=banner-cleared ", "link-late")
	w.quiet()
	d.stop()
}

// heardAnew holds when run has heard of the watch once more.
func heardAnew(d *instance) func(status.Status) bool {
	var first time.Time
	return func(s status.Status) bool {
		if s.Watch == nil {
			return false
		}
		if first.IsZero() {
			first = s.Watch.Heard
		}
		return s.Watch.Heard.After(first)
	}
}

// TestWhatSystemdSaysOfAService: what waits for its turn, or has begun, is on its way;
// what nobody starts, what may not be started, and what is started again and again, is
// not.
func TestWhatSystemdSaysOfAService(t *testing.T) {
	for _, row := range []struct {
		shown string
		want  watch.Unit
	}{
		{"", watch.Unit{}},
		{"Job=\nLoadState=not-found\nActiveState=inactive\nSubState=dead\n", watch.Unit{}},
		{"LoadState=loaded\nActiveState=inactive\nSubState=dead\nNRestarts=0\nMainPID=0\n", watch.Unit{Known: true, Says: "x is inactive (dead)"}},
		{"LoadState=masked\nActiveState=inactive\nSubState=dead\n", watch.Unit{Known: true, Says: "x is masked"}},
		{"Job=57\nLoadState=loaded\nActiveState=inactive\nSubState=dead\n", watch.Unit{Known: true, Queued: true, Says: "x is inactive (dead)"}},
		{"Job=57\nLoadState=loaded\nActiveState=activating\nSubState=start-pre\nControlPID=6\n", watch.Unit{Known: true, Queued: true, Says: "x is activating (start-pre)"}},
		{"Job=57\nLoadState=loaded\nActiveState=activating\nSubState=start\nMainPID=7\nControlPID=0\n", watch.Unit{Known: true, Begins: 7, Says: "x is activating (start)"}},
		{"Job=57\nLoadState=loaded\nActiveState=activating\nSubState=start\nMainPID=0\nControlPID=8\n", watch.Unit{Known: true, Begins: 8, Says: "x is activating (start)"}},
		{"LoadState=loaded\nActiveState=activating\nSubState=auto-restart\nNRestarts=0\n", watch.Unit{Known: true, Says: "x is activating (auto-restart)"}},
		{"Job=57\nLoadState=loaded\nActiveState=activating\nSubState=start\nMainPID=7\nNRestarts=3\n", watch.Unit{Known: true, Says: "x is activating (start)"}},
		{"LoadState=loaded\nActiveState=failed\nSubState=failed\nNRestarts=0\n", watch.Unit{Known: true, Says: "x is failed (failed)"}},
		{"LoadState=loaded\nActiveState=active\nSubState=running\nMainPID=7\n", watch.Unit{Known: true, Says: "x is active (running)"}},
	} {
		if got := unitOf("x", row.shown); got != row.want {
			t.Errorf("%q: %+v, want %+v", row.shown, got, row.want)
		}
	}
}
