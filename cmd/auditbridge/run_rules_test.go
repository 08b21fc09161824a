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
		d := newDaemon(t, fmt.Sprintf("[rules]\nself-heal = %v\n", heals))
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
		d.stop()
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
