package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
	"auditbridge/rules"

	"github.com/fsnotify/fsnotify"
)

// TestRulesChangedByHandAreNoticedAndPutBack: auditctl -D, somebody's own rule,
// another setting. It is an alarm, and on record with the program that did it;
// with self-heal the rules are back.
func TestRulesChangedByHandAreNoticedAndPutBack(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	loaded := func() bool { return strings.Count(kernel.Rules(), "\n") == 2 } // status counts them every ten seconds
	for _, heals := range []bool{false, true} {
		files := filepath.Join(t.TempDir(), "rules.d")
		d := newDaemon(t, fmt.Sprintf("[rules]\nself-heal = %v\nauto-load = %v\npath = %q\n", heals, heals, files))
		file := filepath.Join(d.dir, "own.rules")
		must(t, os.WriteFile(file, []byte("-b 8192\n-a always,exit -F arch=b64 -S getpgid -F a0=999999 -k ours\n-w /etc/no-such-file -p w -k file\n"), 0o600))
		d.start()
		load := func() {
			t.Helper()
			if out, err := program("rules", "load", "--config", d.config, file).CombinedOutput(); err != nil {
				t.Fatalf("rules load: %v: %s", err, out)
			}
		}
		load()
		if !loaded() {
			t.Fatalf("loaded are\n%s", kernel.Rules())
		}
		if out, err := exec.Command("auditctl", "-D").CombinedOutput(); err != nil {
			t.Fatalf("auditctl -D: %v: %s", err, out)
		}
		peertest.Until(t, "it is on record who deleted the rules", func() bool {
			return d.onRecord("op=rules-drift", "rules=0 missing=2 extra=0", "exe=/usr/sbin/auditctl") != ""
		})
		noticedWithin(t, d, time.Second)
		if heals {
			peertest.Until(t, "it is on record that they are put back", func() bool { return d.onRecord("op=rules-healed", "added=2", "res=success") != "" })
		} else {
			d.until("the alarm is raised", func(s status.Status) bool {
				return s.State == status.Impaired && s.RulesDrift == 2 && slices.ContainsFunc(s.Alarms, func(a status.Alarm) bool { return a.ID == "rules-drift" })
			})
			load()
		}
		d.until("all is well again", func(s status.Status) bool {
			return s.RulesDrift == 0 && s.State == status.OK && loaded()
		})
		changeRuleFiles(t, d, files, heals)
		d.stop()
	}
}

// TestOnlyRunsOwnExemptionIsSpared: whoever blinds the kernel to a process by a rule
// for its pid, as run does for itself beside auditd, is noticed, and it is undone.
func TestOnlyRunsOwnExemptionIsSpared(t *testing.T) {
	t.Parallel()
	kernel := audittest.Kernel(t)
	kernel.Enable()
	config := fmt.Sprintf("[audit]\nsource = \"multicast\"\n[rules]\npath = %q\n", filepath.Join(t.TempDir(), "rules.d"))
	d := newDaemon(t, config)
	d.start()
	file := filepath.Join(d.dir, "own.rules")
	must(t, os.WriteFile(file, []byte("-a always,exit -F arch=b64 -S getpgid -F a0=999999 -k ours\n"), 0o600))
	rules := func(verb string) (out string, differs int) {
		out, _, _ = auditbridgeCommand(t, "rules", verb, "--config", d.config, file)
		_, _, differs = auditbridgeCommand(t, "rules", "diff", "--config", d.config, file)
		return out, differs
	}
	exempts := func(pid int) bool { return strings.Count(kernel.Rules(), fmt.Sprintf("pid=%d\n", pid)) == 2 }
	peertest.Until(t, "run is not audited itself", func() bool { return exempts(d.cmd.Process.Pid) })
	if out, differs := rules("load"); !strings.HasPrefix(out, "loaded: 1 rule added, 0 deleted") || differs != 0 {
		t.Fatalf("load says %s, and then diff exits with %d", out, differs)
	}
	sleeper := exec.Command("sleep", "600")
	must(t, peertest.StartChild(sleeper))
	defer func() { sleeper.Process.Kill(); sleeper.Wait() }()
	pid := fmt.Sprintf("pid=%d", sleeper.Process.Pid)
	kernel.AddRule("-A", "never,exit", "-F", pid)
	kernel.AddRule("-A", "never,exit", "-F", "p"+pid)
	peertest.Until(t, "it is on record that a process is blinded", func() bool {
		return d.onRecord("op=rules-drift", "missing=0 extra=2", "exe=/usr/sbin/auditctl", `first="--a never,exit -S all -F pp`+pid[1:]) != ""
	})
	d.until("it is an alarm", func(s status.Status) bool { return s.RulesDrift == 2 })
	out, differs := rules("diff")
	if want := fmt.Sprintf("--a never,exit -S all -F p%s\n--a never,exit -S all -F %[1]s\n", pid); out != want || differs != 1 {
		t.Errorf("diff says %q and exits with %d, want %q", out, differs, want)
	}
	if out, differs := rules("load"); !strings.HasPrefix(out, "loaded: 0 rules added, 2 deleted") || differs != 0 {
		t.Errorf("load says %s, and then diff exits with %d", out, differs)
	}
	if exempts(sleeper.Process.Pid) || !exempts(d.cmd.Process.Pid) {
		t.Errorf("loaded are\n%s", kernel.Rules())
	}
	d.until("all is well again", func(s status.Status) bool { return s.RulesDrift == 0 })
	d.configure(config + "self-heal = true\n")
	if out, _, code := auditbridgeCommand(t, "reload", "--config", d.config); code != 0 {
		t.Fatalf("reload exits with %d: %s", code, out)
	}
	kernel.AddRule("-A", "never,exit", "-F", pid)
	peertest.Until(t, "self-heal has deleted it, and spared run's own", func() bool {
		return exempts(d.cmd.Process.Pid) && !strings.Contains(kernel.Rules(), pid) && strings.Count(kernel.Rules(), "\n") == 3
	})
	peertest.Until(t, "that it is deleted is on record", func() bool { return d.onRecord("op=rules-healed", "deleted=", "res=success") != "" })
	d.stop()
}

// noticedWithin compares the times of records: the kernel's, that the last rule
// was removed, and ours.
func noticedWithin(t *testing.T, d *instance, most time.Duration) {
	t.Helper()
	var removed, noticed time.Time
	for _, line := range d.journalLines() {
		h, ok := auditbridge.ParseHeader([]byte(line))
		switch at := time.UnixMilli(1000*h.ID.Seconds + int64(h.ID.Millis)); {
		case !ok:
		case strings.HasPrefix(line, "type=CONFIG_CHANGE ") && strings.Contains(line, "op=remove_rule"):
			removed = at
		case strings.Contains(line, "op=rules-drift") && noticed.IsZero():
			noticed = at
		}
		if !noticed.IsZero() {
			break
		}
	}
	if late := noticed.Sub(removed); removed.IsZero() || noticed.IsZero() || late > most {
		t.Errorf("rules were removed at %v and missed at %v", removed, noticed)
	}
}

// changeRuleFiles: a change of a file is on record, with what it was and, where a
// rule watches the file, who did it. It is loaded where that is wanted.
func changeRuleFiles(t *testing.T, d *instance, dir string, loads bool) {
	t.Helper()
	must(t, os.Mkdir(dir, 0o755))
	if out, err := exec.Command("auditctl", "-w", dir, "-p", "wa", "-k", "files").CombinedOutput(); err != nil {
		t.Fatalf("auditctl -w: %v: %s", err, out)
	}
	file := filepath.Join(dir, "10-own.rules")
	shell := func(script string) {
		t.Helper()
		if out, err := exec.Command("sh", "-c", script).CombinedOutput(); err != nil {
			t.Fatalf("%s: %v: %s", script, err, out)
		}
	}
	hexed := func(text string) string { return strings.ToUpper(fmt.Sprintf("%x", text)) }
	if loads { // the watch is healed away: nobody knows who
		peertest.Until(t, "the watch is gone", func() bool {
			out, _ := exec.Command("auditctl", "-l").Output()
			return !strings.Contains(string(out), dir)
		})
		shell("echo '-a always,exit -F arch=b64 -S getpgid -F a0=999998 -k auto' >" + file)
		peertest.Until(t, "the new file is on record", func() bool {
			return d.onRecord("op=rule-file auid=4294967295", "file="+file+" exe=?", hexed("--- /dev/null\n"), "res=success") != ""
		})
		peertest.Until(t, "it is loaded", func() bool { return d.onRecord("op=rules-loaded", "added=1 deleted=2 kept=0", "res=success") != "" })
		shell("echo '-a always,exit -S nonsense' >>" + file)
		peertest.Until(t, "it is not valid", func() bool {
			return d.onRecord("op=rule-file", hexed("+-a always,exit -S nonsense\n"), "res=failed") != ""
		})
		d.until("what was loaded stays", func(s status.Status) bool { return s.Kernel != nil && s.Rules == 1 && s.RulesDrift == 0 })
		return
	}
	shell("echo '-b 8192' >" + file)
	peertest.Until(t, "the new file is on record", func() bool {
		return d.onRecord("op=rule-file", "file="+file+" exe=/", hexed("+-b 8192\n"), "res=success") != ""
	})
	shell("rm " + file)
	peertest.Until(t, "that it is gone is on record", func() bool {
		return d.onRecord("op=rule-file", "exe=/usr/bin/rm", hexed("+++ /dev/null\n"), "res=success") != ""
	})
	if strings.Contains(strings.Join(d.journalLines(), "\n"), "op=rules-loaded") {
		t.Error("it was loaded, and nobody wanted that")
	}
}

// someKernel has rules in memory.
type someKernel struct {
	rules   []rules.Rule
	refuses error
}

func (k *someKernel) List() ([]rules.Rule, error)       { return slices.Clone(k.rules), nil }
func (k *someKernel) State() (s rules.State, err error) { return s, nil }
func (k *someKernel) Set(rules.Setting, uint32) error   { return nil }
func (k *someKernel) Request(rules.Statement) error     { return nil }
func (k *someKernel) Change(all []rules.Change) ([]error, error) {
	results := make([]error, len(all))
	for i, c := range all {
		if results[i] = k.refuses; k.refuses != nil {
			continue
		}
		k.rules = slices.DeleteFunc(k.rules, func(r rules.Rule) bool { return c.Delete && r.Fields[0] == c.Rule.Fields[0] })
		if !c.Delete {
			k.rules = append(k.rules, c.Rule.Listed())
		}
	}
	return results, nil
}

// TestADifferenceIsToldOnceAndBelievedAtTheSecondLook: a load that is under way
// is none.
func TestADifferenceIsToldOnceAndBelievedAtTheSecondLook(t *testing.T) {
	host, err := rules.ThisHost()
	must(t, err)
	var notes []string
	now := time.Unix(1000, 0)
	state := t.TempDir()
	k, file := &someKernel{}, filepath.Join(state, rules.LoadedFile)
	heals := false
	g := &ruleGuard{
		kernel: k, host: host, file: file, stateDir: state, files: &ruleFiles{}, heals: func() bool { return heals }, exempt: func() []int { return nil }, log: slog.New(slog.DiscardHandler),
		note: func(n auditbridge.Note) {
			notes = append(notes, string(auditbridge.AppendNote(nil, &n, time.Unix(1, 0), 1)))
		},
		who: func(auditbridge.Sequence) (auditbridge.Actor, string) {
			return auditbridge.Actor{AUID: 1000, PID: 7}, "/usr/sbin/auditctl"
		},
		end: func() auditbridge.Sequence { return 5 },
	}
	looks := func(what string, drift int64, told ...string) {
		t.Helper()
		notes = nil
		now = now.Add(time.Second)
		must(t, g.look(now, true))
		if g.drift.Load() != drift || len(notes) != len(told) {
			t.Fatalf("%s: drift %d, want %d; told %q", what, g.drift.Load(), drift, notes)
		}
		for i := range told {
			for part := range strings.SplitSeq(told[i], "…") {
				if !strings.Contains(notes[i], part) {
					t.Errorf("%s: told %q, want %q", what, notes[i], part)
				}
			}
		}
	}
	looks("nothing was ever loaded", 0)
	must(t, os.WriteFile(file, []byte("-a always,exit -S all -F uid=1\n-a always,exit -S all -F uid=2\n"), 0o600))
	looks("the kernel is not so yet", 0, "op=rule-file auid=1000 pid=7…file="+file+` exe=/usr/sbin/auditctl why="what was loaded" ouid=0`)
	f, err := rules.Read(host, file)
	must(t, err)
	for _, l := range f.Desire().Rules {
		k.rules = append(k.rules, l.Rule)
	}
	looks("loaded", 0)
	first := k.rules[0]
	k.rules = k.rules[1:]
	looks("one is gone: a first look", 0)
	looks("a second look", 1, "op=rules-drift auid=1000 pid=7…rules=1 missing=1 extra=0 settings=0 exe=/usr/sbin/auditctl first=\"+-a always,exit -S all -F uid=1\"…res=failed")
	looks("it is told once", 1)
	k.rules = nil
	looks("now all are gone, which is another difference", 2, "rules=0 missing=2")
	k.rules = []rules.Rule{first}
	heals, k.refuses = true, os.ErrPermission
	looks("putting back fails", 1, "missing=1", "op=rules-healed…why=…res=failed")
	for range 4 {
		looks("it is tried again, and on record once", 1)
	}
	k.refuses = nil
	looks("what hindered it is gone", 1, "op=rules-healed…added=1 deleted=0 res=success")
	k.rules = nil
	looks("all are gone", 1)
	looks("put back", 2, "missing=2", "op=rules-healed…added=2 deleted=0 res=success")
	k.rules = nil
	looks("at once all are gone again", 2)
	looks("put back once more", 2, "missing=2", "op=rules-healed…added=2 deleted=0 res=success")
	looks("all is well", 0)
	heals = false
	must(t, os.WriteFile(file, []byte("nonsense\n"), 0o600))
	must(t, os.Chtimes(file, now, now))
	k.rules = nil
	for range 2 {
		if err := g.look(now, true); err == nil {
			t.Error("nobody hears that what was loaded cannot be read")
		}
	}
	if g.drift.Load() != 3 || !strings.Contains(notes[len(notes)-1], " missing=2 ") {
		t.Errorf("with the file, what was loaded is forgotten: drift %d, told %q", g.drift.Load(), notes)
	}
	must(t, os.Remove(file))
	looks("nor does it help to delete it", 3, "missing=2…why=\"stat "+file)
}

// TestWhoeverHoldsTheLockHidesNothing: a load is waited for, but not for ever.
func TestWhoeverHoldsTheLockHidesNothing(t *testing.T) {
	host, err := rules.ThisHost()
	must(t, err)
	dir, now := t.TempDir(), time.Unix(1000, 0)
	k, told := &someKernel{}, 0
	g := &ruleGuard{
		kernel: k, host: host, stateDir: dir, file: filepath.Join(dir, rules.LoadedFile), files: &ruleFiles{}, log: slog.New(slog.DiscardHandler),
		heals:  func() bool { return true },
		exempt: func() []int { return nil },
		note:   func(auditbridge.Note) { told++ },
		who:    func(auditbridge.Sequence) (auditbridge.Actor, string) { return auditbridge.Actor{}, "" },
		end:    func() auditbridge.Sequence { return 5 },
	}
	must(t, os.WriteFile(g.file, []byte("-a always,exit -S all -F uid=1\n"), 0o600))
	held, err := lockRules(dir)
	must(t, err)
	defer func() { held.Close() }()
	works := func(k *someKernel) {
		k.rules = append(k.rules, rules.Rule{Fields: []rules.Field{{Value: uint32(len(k.rules))}}})
	}
	for range 9 {
		now = now.Add(time.Second)
		works(k)
		must(t, g.lookAlone(now))
	}
	must(t, held.Close()) // for a moment: only the first look is had
	must(t, g.lookAlone(now))
	held, err = lockRules(dir)
	must(t, err)
	if g.drift.Load() != 0 {
		t.Error("a load was not waited for")
	}
	told = 0 // of what was loaded
	for range 4 {
		now = now.Add(time.Second)
		works(k)
		must(t, os.Chtimes(g.file, now, now)) // that it seems to be new hides nothing either
		must(t, g.lookAlone(now))
	}
	if g.drift.Load() == 0 || told == 0 {
		t.Errorf("drift %d, %d on record: want it told that what works for ten seconds does not come to an end", g.drift.Load(), told)
	}

	held.Close()
	f, err := rules.Read(host, g.file)
	must(t, err)
	k.rules = []rules.Rule{f.Desire().Rules[0].Rule}
	must(t, g.lookAlone(now))
	held, err = lockRules(dir)
	must(t, err)
	k.rules, told = nil, 0
	for range 3 {
		now = now.Add(time.Second)
		must(t, g.lookAlone(now))
	}
	if g.drift.Load() != 0 || told != 0 {
		t.Errorf("drift %d, %d on record: a load was not waited for", g.drift.Load(), told)
	}
	for range ruleBelieved {
		now = now.Add(time.Second)
		must(t, g.lookAlone(now))
	}
	if g.drift.Load() != 1 || told != 1 || len(k.rules) != 0 {
		t.Errorf("drift %d, %d on record, %d rules: want it told that nothing moves, and left to whoever loads", g.drift.Load(), told, len(k.rules))
	}
}

// TestAtABootRulesAreAwaited: they are loaded behind run's start, and for so long
// nobody has deleted them.
func TestAtABootRulesAreAwaited(t *testing.T) {
	host, err := rules.ThisHost()
	must(t, err)
	theirs := rules.Rule{List: rules.ListExit, Action: rules.Always, Fields: []rules.Field{{ID: 1, Op: rules.Equal, Value: 7}}}
	for _, c := range []struct {
		what    string
		age     time.Duration
		has     []rules.Rule
		seconds int // until it is a difference
	}{
		{"the host has just booted", 20 * time.Second, nil, 12},
		{"somebody has loaded something", 20 * time.Second, []rules.Rule{theirs}, 0},
		{"it booted long ago", time.Hour, nil, 0},
	} {
		dir, last := t.TempDir(), ""
		g := &ruleGuard{
			kernel: &someKernel{rules: c.has}, host: host, stateDir: dir, file: filepath.Join(dir, rules.LoadedFile), files: &ruleFiles{}, log: slog.New(slog.DiscardHandler),
			heals:  func() bool { return false },
			exempt: func() []int { return nil },
			age:    func() (time.Duration, error) { return c.age, nil },
			note: func(n auditbridge.Note) {
				last = string(auditbridge.AppendNote(nil, &n, time.Unix(1, 0), 1))
			},
			who: func(auditbridge.Sequence) (auditbridge.Actor, string) { return auditbridge.Actor{}, "" },
			end: func() auditbridge.Sequence { return 5 },
		}
		must(t, os.WriteFile(g.file, []byte("-a always,exit -S all -F uid=1\n"), 0o600))
		must(t, g.look(time.Unix(1000, 0), true))
		must(t, os.WriteFile(g.file, []byte("# loaded now\n-a always,exit -S all -F uid=1\n"), 0o600))
		must(t, os.Chtimes(g.file, time.Unix(5, 0), time.Unix(5, 0)))
		must(t, g.look(time.Unix(1000, 0), true))
		if !strings.Contains(last, `why="what was loaded"`) && c.has == nil && c.age < time.Hour {
			t.Errorf("%s: what is loaded now is told as %s", c.what, last)
		}
		seconds := 0
		for g.drift.Load() == 0 && seconds < 60 {
			seconds++
			must(t, g.look(time.Unix(int64(1000+seconds), 0), true))
		}
		if seconds != c.seconds && seconds != c.seconds+1 {
			t.Errorf("%s: a difference after %d s, want %d", c.what, seconds, c.seconds)
		}
	}
}

// TestWhoWroteAFileIsNotToldByItsNameAlone: somebody else's file of that name, in
// a directory or a root of his own, is not it.
func TestWhoWroteAFileIsNotToldByItsNameAlone(t *testing.T) {
	event := func(n int, success, exe string, paths ...string) []string {
		lines := []string{fmt.Sprintf(`type=SYSCALL msg=audit(1.000:%d): arch=c000003e syscall=257 success=%s exit=3 ppid=1 pid=%d auid=1000 uid=0 ses=3 comm="x" exe="%s" key="files"`, n, success, n, exe)}
		for _, p := range paths {
			lines = append(lines, fmt.Sprintf("type=PATH msg=audit(1.000:%d): item=0 %s", n, p))
		}
		return lines
	}
	vi := event(1, "yes", "/usr/bin/vi", `name="/etc/audit/rules.d/" inode=70 dev=fe:00 nametype=PARENT`, `name="/etc/audit/rules.d/10-own.rules" inode=71 dev=fe:00 nametype=CREATE`)
	relative := event(2, "yes", "/usr/bin/sed", `name="10-own.rules" inode=71 dev=fe:00 nametype=NORMAL`)
	for _, c := range []struct {
		what string
		last []string
		exe  string
		pid  int
	}{
		{"a file is made", nil, "/usr/bin/vi", 1},
		{"a file is written by a relative name", relative, "/usr/bin/sed", 2},
		{"a file of that name elsewhere", event(3, "yes", "/usr/bin/frame", `name="/tmp/" inode=8 nametype=PARENT`, `name="/tmp/10-own.rules" inode=9 nametype=CREATE`), "/usr/bin/vi", 1},
		{"the whole name, in another root", event(4, "yes", "/usr/bin/frame", `name="/etc/audit/rules.d/10-own.rules" inode=9 nametype=NORMAL`), "/usr/bin/vi", 1},
		{"another file of the directory", event(5, "yes", "/usr/bin/other", `name="/etc/audit/rules.d/" inode=70 nametype=PARENT`, `name="/etc/audit/rules.d/20-other.rules" inode=72 nametype=CREATE`), "/usr/bin/vi", 1},
		{"it was refused", event(6, "no", "/usr/bin/refused", `name="/etc/audit/rules.d/10-own.rules" inode=71 nametype=NORMAL`), "/usr/bin/vi", 1},
	} {
		w := fileWriter{base: "10-own.rules", inodes: []string{"70", "71"}}
		for _, line := range append(slices.Clone(vi), c.last...) {
			w.take([]byte(line))
		}
		if w.exe != c.exe || w.actor.PID != c.pid || w.actor.AUID != 1000 {
			t.Errorf("%s: %s by %+v, want %s", c.what, w.exe, w.actor, c.exe)
		}
	}
}

// TestWhatChangesWhileNobodyLooksIsFoundByTheNextStart: the rule files, what was
// loaded, and that it is gone.
func TestWhatChangesWhileNobodyLooksIsFoundByTheNextStart(t *testing.T) {
	host, err := rules.ThisHost()
	must(t, err)
	state, dir := t.TempDir(), t.TempDir()
	file, loaded := filepath.Join(dir, "10-own.rules"), filepath.Join(state, rules.LoadedFile)
	write := func(name, text string) {
		t.Helper()
		must(t, os.WriteFile(name, []byte(text), 0o600))
		must(t, os.Chtimes(name, time.Unix(1700000000, 0), time.Unix(1700000000+int64(len(text)), 0)))
	}
	k, heals, loads, ranBefore := &someKernel{}, false, false, false
	var notes []string
	var g *ruleGuard
	starts := func(what string, drift int64, told ...string) {
		t.Helper()
		notes = nil
		nobodyWrote := func(auditbridge.Sequence, string) (auditbridge.Actor, string) { return auditbridge.Actor{}, "" }
		g = &ruleGuard{
			kernel: k, host: host, stateDir: state, file: loaded, ranBefore: ranBefore, log: slog.New(slog.DiscardHandler),
			heals: func() bool { return heals }, exempt: func() []int { return nil },
			files: &ruleFiles{dir: dir, texts: map[string]string{}, loads: func() bool { return loads }, who: nobodyWrote},
			note: func(n auditbridge.Note) {
				notes = append(notes, string(auditbridge.AppendNote(nil, &n, time.Unix(1, 0), 1)))
			},
			who: func(auditbridge.Sequence) (auditbridge.Actor, string) { return auditbridge.Actor{}, "" },
			end: func() auditbridge.Sequence { return 5 },
		}
		g.lookBack()
		for range ruleBelieved {
			g.look(time.Now(), true)
		}
		ranBefore = true
		if g.drift.Load() != drift || len(notes) != len(told) {
			t.Fatalf("%s: drift %d, want %d; told %q", what, g.drift.Load(), drift, notes)
		}
		for i := range told {
			for part := range strings.SplitSeq(told[i], "…") {
				if !strings.Contains(notes[i], part) {
					t.Errorf("%s: told %q, want %q", what, notes[i], part)
				}
			}
		}
	}
	hexed := func(text string) string { return strings.ToUpper(fmt.Sprintf("%x", text)) }
	write(file, "-b 8192\n")
	starts("the first start", 0)
	starts("nothing has changed", 0)
	write(file, "-b 64\n")
	starts("a file has changed", 0, "op=rule-file auid=4294967295…file="+file+` exe=? why="changed while not running" ouid=0 mtime=2023-11-14T22:13:26.000Z…`+hexed("-b 8192\n+-b 64\n"))
	starts("it is told once", 0)
	must(t, os.Rename(file, filepath.Join(dir, "20-own.rules")))
	starts("a file is gone, another there", 0, `why="changed while not running" diff=…`+hexed("+++ /dev/null\n"), "file="+filepath.Join(dir, "20-own.rules"))

	write(loaded, "-a always,exit -S all -F uid=1\n")
	f, err := rules.Read(host, loaded)
	must(t, err)
	k.rules = []rules.Rule{f.Desire().Rules[0].Rule}
	starts("rules are loaded", 0, "op=rule-file…file="+loaded+` exe=? why="what was loaded" ouid=0 mtime=…`+hexed("+-a always,exit -S all -F uid=1\n"))
	write(loaded, "# nothing\n")
	starts("what was loaded is another", 1, "file="+loaded+` exe=? why="changed while not running"`, "op=rules-drift…extra=1")
	write(loaded, "-a always,exit -S all -F uid=1\n")
	starts("and again", 0, "file="+loaded)
	must(t, os.Remove(loaded))
	starts("what was loaded is gone", 1, `op=rules-drift…missing=0 extra=0…why="stat `+loaded+": no such file or directory\"")
	k.rules = nil
	starts("nor does it help that it is", 2, `op=rules-drift…missing=1 extra=0…why="stat `)
	heals = true
	starts("it is put back", 2, "op=rules-drift…missing=1", "op=rules-healed…added=1")
	starts("all is well", 0)
	must(t, os.Remove(filepath.Join(state, knownRulesFile)))
	loads = true
	starts("what was known is gone", 0, "file="+filepath.Join(state, knownRulesFile)+` exe=? why="what it was before is not known"`,
		"file="+filepath.Join(dir, "20-own.rules")+` exe=? why="what it was before is not known" ouid=0`, "file="+loaded)
	write(filepath.Join(dir, "20-own.rules"), "# the same\n-a always,exit -S all -F uid=1\n")
	starts("a change is loaded where that is wanted", 0, `why="changed while not running"`, "op=rules-loaded…added=0 deleted=0 kept=1", "file="+loaded)
}

// TestOldRecordsAreNotAskedWhoChangedSomething just now, nor so many that the newest
// are not reached.
func TestOldRecordsAreNotAskedWhoChangedSomething(t *testing.T) {
	for _, c := range []struct{ before, end, from auditbridge.Sequence }{
		{0, 0, 1}, {0, 7, 1}, {7, 7, 8}, {0, 5_000_000, 4_900_001}, {4_999_000, 5_000_000, 4_999_001},
	} {
		if from := lately(c.before, c.end); from != c.from {
			t.Errorf("behind %d of %d: from %d, want %d", c.before, c.end, from, c.from)
		}
	}
}

// TestRuleFilesAreReadWhenTheKernelLostCount of what was changed, when it told nothing
// for long, and while they are changed without end.
func TestRuleFilesAreReadWhenTheKernelLostCount(t *testing.T) {
	f := &ruleFiles{dir: t.TempDir()}
	events, failures, anyway, added := make(chan fsnotify.Event), make(chan error), make(chan time.Time), make(chan string, 1)
	settled := f.listen(t.Context(), toldOfFiles{events, failures, anyway, func() { added <- f.dir }})
	for range 2 { // and again
		failures <- fsnotify.ErrEventOverflow
		<-settled
		anyway <- time.Time{}
		<-added // it may be another of that name now
		<-settled
	}
	never := time.NewTicker(settle / 4)
	defer never.Stop()
	for {
		select {
		case <-never.C:
			events <- fsnotify.Event{Name: filepath.Join(f.dir, "10-own.rules"), Op: fsnotify.Write}
		case <-settled:
			return
		}
	}
}

// TestALongDifferenceIsToldByAsManyRecordsAsItTakes: nothing is hidden behind noise.
func TestALongDifferenceIsToldByAsManyRecordsAsItTakes(t *testing.T) {
	var notes []string
	g := &ruleGuard{
		files: &ruleFiles{who: func(auditbridge.Sequence, string) (auditbridge.Actor, string) { return auditbridge.Actor{}, "" }},
		end:   func() auditbridge.Sequence { return 5 },
		note: func(n auditbridge.Note) {
			notes = append(notes, string(auditbridge.AppendNote(nil, &n, time.Unix(1, 0), 1)))
		},
	}
	text := strings.Repeat("# noise\n", 1000) + "-a never,task\n"
	g.noteFile("10-own.rules", nil, &text, "", nil)
	if len(notes) != 4 || !strings.Contains(notes[0], " part=1/4 ") || !strings.Contains(notes[3], fmt.Sprintf("%X", "+-a never,task\n")) {
		t.Errorf("told %q", notes)
	}
	if parts := partsOf(text); strings.Join(parts, "") != text {
		t.Error("the parts are not the whole")
	}
	if parts := partsOf(strings.Repeat("x", 1<<20)); len(parts) != mostParts {
		t.Errorf("%d records tell of what is no rule file", len(parts))
	}
}
