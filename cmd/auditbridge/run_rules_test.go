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
	k, file := &someKernel{}, filepath.Join(t.TempDir(), "loaded.rules")
	heals := false
	g := &ruleGuard{
		kernel: k, host: host, file: file, heals: func() bool { return heals }, log: slog.New(slog.DiscardHandler),
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
		must(t, g.look())
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
	looks("the kernel is not so yet", 0)
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
	k.rules, k.refuses = nil, nil
	looks("put back", 2, "missing=2", "op=rules-healed…added=2 deleted=0 res=success")
	looks("all is well", 0)
	must(t, os.Remove(file))
	k.rules = nil
	looks("nothing is to be compared any more", 0)
}
