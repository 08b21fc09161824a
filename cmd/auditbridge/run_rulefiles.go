package main

import (
	"bytes"
	"context"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
	"auditbridge/rules"

	"github.com/fsnotify/fsnotify"
)

// ruleFiles notices when files in the directory of rule files change.
type ruleFiles struct {
	dir   string
	loads func() bool // what has changed is loaded
	who   func(from auditbridge.Sequence, file string) (auditbridge.Actor, string)
	texts map[string]string
	read  auditbridge.Sequence // the journal's end when they were
}

func (d *daemon) newRuleFiles(host *rules.Host) *ruleFiles {
	return &ruleFiles{
		dir:   d.cfg.Rules.Path,
		loads: func() bool { return d.now.Load().Rules.AutoLoad },
		who: func(from auditbridge.Sequence, file string) (auditbridge.Actor, string) {
			return whoWroteFile(d.cfg.JournalDir, from, file)
		},
	}
}

// watch reads the files and tells, until ctx ends, when some have changed and been
// left alone for a while.
func (f *ruleFiles) watch(ctx context.Context) <-chan struct{} {
	settled := make(chan struct{}, 1)
	if f == nil {
		return settled
	}
	f.texts = f.textsNow()
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return settled
	}
	context.AfterFunc(ctx, func() { watcher.Close() })
	watcher.Add(filepath.Dir(f.dir)) // there may be no directory yet
	watcher.Add(f.dir)
	go func() {
		var quiet *time.Timer
		for e := range watcher.Events {
			if e.Name == f.dir {
				watcher.Add(f.dir)
			} else if filepath.Dir(e.Name) != f.dir || filepath.Ext(e.Name) != ".rules" {
				continue
			}
			if quiet != nil {
				quiet.Stop()
			}
			quiet = time.AfterFunc(settle, func() {
				select {
				case settled <- struct{}{}:
				default:
				}
			})
		}
	}()
	return settled
}

// mostRuleText is how much of a rule file is compared: nobody writes more.
const mostRuleText = 1 << 20

// textsNow reads every rule file there is. What cannot be read is no text.
func (f *ruleFiles) textsNow() map[string]string {
	texts := map[string]string{}
	names, _ := filepath.Glob(filepath.Join(f.dir, "*.rules"))
	for _, name := range names {
		if info, err := os.Stat(name); err != nil || !info.Mode().IsRegular() || info.Size() > mostRuleText {
			continue
		}
		if text, err := os.ReadFile(name); err == nil {
			texts[name] = string(text)
		}
	}
	return texts
}

// lookAtFiles puts on record what has changed in the rule files, and loads them
// where that is wanted.
func (g *ruleGuard) lookAtFiles() {
	now, before := g.files.textsNow(), g.files.texts
	var changed []string
	for name := range now {
		if old, there := before[name]; !there || old != now[name] {
			changed = append(changed, name)
		}
	}
	for name := range before {
		if _, there := now[name]; !there {
			changed = append(changed, name)
		}
	}
	if len(changed) == 0 {
		return
	}
	slices.Sort(changed)
	g.files.texts = now
	f, err := rules.Read(g.host, g.files.dir)
	for _, name := range changed {
		g.noteFile(name, textOfFile(before, name), textOfFile(now, name), err)
	}
	g.files.read = g.end()
	switch {
	case err != nil:
		g.log.Error("the audit rule files have changed and are not valid", "err", err, "hint", "auditbridge rules check")
	case g.files.loads():
		g.loadFiles(f.Desire())
	default:
		g.log.Info("the audit rule files have changed", "files", changed, "hint", "auditbridge rules load")
	}
}

func textOfFile(texts map[string]string, name string) *string {
	if text, there := texts[name]; there {
		return &text
	}
	return nil
}

// mostDiff is how much of a difference one record tells: more would not fit.
const mostDiff = 3000

// noteFile is the record of one changed file: the difference, whether all files
// together are valid, and who wrote it, when the kernel audits that.
func (g *ruleGuard) noteFile(name string, before, after *string, invalid error) {
	diff := rules.TextDiff(name, before, after)
	if len(diff) > mostDiff {
		diff = diff[:mostDiff] + "...\n"
	}
	n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "rule-file", auditbridge.Text("file", name))
	n.Actor = nobody
	exe := "?"
	if actor, by := g.files.who(g.files.read+1, name); by != "" {
		n.Actor, exe = actor, by
	}
	n.Fields = append(n.Fields, auditbridge.Text("exe", exe), auditbridge.Text("diff", diff))
	if invalid != nil {
		n.Failed = true
		n.Fields = append(n.Fields, auditbridge.Text("reason", brief(firstProblem(invalid))))
	}
	g.note(n)
}

func firstProblem(err error) string {
	first, _, _ := strings.Cut(err.Error(), "\n")
	return first
}

// loadFiles is `rules load`, by run itself.
func (g *ruleGuard) loadFiles(desired *rules.Desired) {
	done, err := g.loadAlone(desired)
	if err != nil {
		g.log.Error("the changed audit rule files are not loaded", "err", err)
		g.note(auditbridge.OwnFailure("rules-loaded", auditbridge.Text("why", brief(err.Error()))))
		return
	}
	g.note(auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "rules-loaded",
		auditbridge.Number("added", done.Added), auditbridge.Number("deleted", done.Deleted), auditbridge.Number("kept", done.Kept)))
	g.log.Info("the changed audit rule files are loaded", "added", done.Added, "deleted", done.Deleted, "kept", done.Kept)
}

func (g *ruleGuard) loadAlone(desired *rules.Desired) (*rules.Loaded, error) {
	held, err := lockRules(g.stateDir)
	if err != nil {
		return nil, err
	}
	defer held.Close()
	if err := seesWhatTheHostSees(desired); err != nil {
		return nil, err
	}
	done, err := rules.Load(g.kernel, desired, false)
	if err != nil {
		return nil, err
	}
	return done, rememberRules(g.stateDir, desired.Record(g.host, done, time.Now()))
}

// whoWroteFile finds, in the journal from a sequence on, the last event in which
// the kernel saw a file written, renamed or deleted by name: there is one where a
// rule watches it. exe is "" when there is none.
func whoWroteFile(journalDir string, from auditbridge.Sequence, file string) (actor auditbridge.Actor, exe string) {
	r, err := journal.OpenReader(journalDir, from, journal.ReaderOptions{PastDurable: true})
	if err != nil {
		return actor, ""
	}
	defer r.Close()
	var call []byte // the SYSCALL of the event that is being read
	whole, base := []byte(` name="`+file+`"`), []byte(` name="`+filepath.Base(file)+`"`)
	for range 100_000 {
		_, line, err := r.Next()
		if err != nil {
			break
		}
		switch {
		case bytes.HasPrefix(line, []byte("type=SYSCALL ")):
			call = append(call[:0], line...)
		case bytes.HasPrefix(line, []byte("type=PATH ")) && (bytes.Contains(line, whole) || bytes.Contains(line, base)) &&
			len(call) > 0 && bytes.Equal(eventOf(line), eventOf(call)) && bytes.Contains(call, []byte(" success=yes ")):
			actor = auditbridge.Actor{AUID: wordOf(call, "auid"), UID: wordOf(call, "uid"), Session: wordOf(call, "ses"), PID: int(wordOf(call, "pid"))}
			exe = strings.Trim(textOf(call, "exe"), `"`)
		}
	}
	return actor, exe
}
