package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal"
	"auditbridge/rules"

	"github.com/fsnotify/fsnotify"
	"golang.org/x/sys/unix"
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

// unsettled is how long files may be changed without end before they are read all
// the same: nobody shall hide a change behind the next.
const unsettled = 2 * time.Second

// filesAnyway is how often they are read though the kernel says nothing: it tells
// neither of what a link leads to nor of a directory above that was replaced, and may
// have no room for another watch.
const filesAnyway = 30 * time.Second

// watch tells, until ctx ends, when some may have changed and been left alone for a
// while.
func (f *ruleFiles) watch(ctx context.Context) <-chan struct{} {
	if f == nil {
		return nil
	}
	f.texts = map[string]string{}
	var told toldOfFiles
	told.anyway, told.add = time.Tick(filesAnyway), func() {}
	if watcher, err := fsnotify.NewWatcher(); err == nil {
		context.AfterFunc(ctx, func() { watcher.Close() })
		told.events, told.errors = watcher.Events, watcher.Errors
		told.add = func() { // there may be no directory yet, and another of that name later
			watcher.Add(filepath.Dir(f.dir))
			watcher.Add(f.dir)
		}
	}
	told.add()
	return f.listen(ctx, told)
}

// toldOfFiles is by what it is noticed that files may have changed.
type toldOfFiles struct {
	events <-chan fsnotify.Event
	errors <-chan error
	anyway <-chan time.Time
	add    func() // watches the directory that now has the name
}

// listen tells, until ctx ends, when what it is told of has been left alone.
func (f *ruleFiles) listen(ctx context.Context, told toldOfFiles) <-chan struct{} {
	settled := make(chan struct{}, 1)
	go func() {
		var quiet *time.Timer
		var first time.Time // that is not told yet
		for {
			select {
			case <-ctx.Done():
				return
			case e, ok := <-told.events:
				if !ok {
					return
				}
				if e.Name == f.dir {
					told.add()
				} else if filepath.Dir(e.Name) != f.dir || filepath.Ext(e.Name) != ".rules" {
					continue
				}
			case <-told.errors: // more has changed than the kernel told: any file may have
			case <-told.anyway:
				told.add()
			}
			now := time.Now()
			if quiet == nil || !quiet.Stop() {
				first = now
			}
			quiet = time.AfterFunc(min(settle, first.Add(unsettled).Sub(now)), func() {
				select {
				case settled <- struct{}{}:
				default:
				}
			})
		}
	}()
	return settled
}

// textsNow reads every rule file there is. What is not to be read is no text.
func (f *ruleFiles) textsNow() map[string]string {
	texts := map[string]string{}
	names, _ := filepath.Glob(filepath.Join(f.dir, "*.rules"))
	for _, name := range names {
		if text, err := rules.ReadText(name); err == nil {
			texts[name] = string(text)
		}
	}
	return texts
}

// lookAtFiles puts on record what has changed in the rule files, and loads them
// where that is wanted. why says what hindered to see it at once, if something did.
func (g *ruleGuard) lookAtFiles(why string) (changes bool) {
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
		return false
	}
	slices.Sort(changed)
	g.files.texts = now
	f, err := rules.Read(g.host, g.files.dir)
	for _, name := range changed {
		g.noteFile(name, textOfFile(before, name), textOfFile(now, name), why, err)
	}
	g.files.read = g.end()
	switch {
	case err != nil:
		g.log.Error("the audit rule files have changed and are not valid", "err", err, "hint", "auditbridge rules check")
	case g.files.loads() && why != notKnownSince:
		g.loadFiles(f.Desire())
	default:
		g.log.Info("the audit rule files have changed", "files", changed, "hint", "auditbridge rules load")
	}
	return true
}

func textOfFile(texts map[string]string, name string) *string {
	if text, there := texts[name]; there {
		return &text
	}
	return nil
}

// A record tells so much of a difference: more would not fit. What is longer is
// told by several; of a file that is no rule file at all, not without end.
const (
	mostDiff  = 3000
	mostParts = 100
)

// noteFile puts one changed file on record: the difference, whether all files
// together are valid, and who wrote it, when the kernel audits that.
func (g *ruleGuard) noteFile(name string, before, after *string, why string, invalid error) {
	actor, exe := g.files.who(lately(g.files.read, g.end()), name)
	var more []auditbridge.Field
	if why != "" {
		more = foundFields(name, why)
	}
	g.noteText(name, before, after, actor, exe, more, invalid)
}

// noteLoaded puts on record how what was loaded has changed: who changed the
// kernel's rules last has written it, if it was `rules load`. What is first read was
// changed before.
func (g *ruleGuard) noteLoaded(before []byte, first bool) {
	var was *string
	why := whatIsLoaded
	if before != nil {
		was = new(string(before))
		if first {
			why = whileAway
		}
	}
	actor, exe := g.who(lately(g.agreed, g.end()))
	g.noteText(g.file, was, new(string(g.text)), actor, exe, foundFields(g.file, why), nil)
}

func (g *ruleGuard) noteText(name string, before, after *string, actor auditbridge.Actor, exe string, more []auditbridge.Field, invalid error) {
	if exe == "" {
		actor, exe = nobody, "?"
	}
	parts := partsOf(rules.TextDiff(name, before, after))
	for i, part := range parts {
		n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "rule-file", auditbridge.Text("file", name), auditbridge.Text("exe", exe))
		n.Actor = actor
		n.Fields = append(n.Fields, more...)
		if len(parts) > 1 {
			n.Fields = append(n.Fields, auditbridge.Text("part", fmt.Sprintf("%d/%d", i+1, len(parts))))
		}
		n.Fields = append(n.Fields, auditbridge.Text("diff", part))
		if invalid != nil {
			n.Failed = true
			n.Fields = append(n.Fields, auditbridge.Text("reason", brief(firstProblem(invalid))))
		}
		g.note(n)
	}
}

// partsOf cuts a difference so that each part fits into a record: put together
// they are the whole.
func partsOf(diff string) (parts []string) {
	for len(diff) > mostDiff {
		if len(parts) == mostParts-1 {
			return append(parts, diff[:mostDiff]+"...\n")
		}
		cut := mostDiff
		if end := strings.LastIndexByte(diff[:mostDiff], '\n'); end >= 0 {
			cut = end + 1
		}
		parts, diff = append(parts, diff[:cut]), diff[cut:]
	}
	return append(parts, diff)
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
	if err := seesWhatTheHostSees(desired, g.warn); err != nil {
		return nil, err
	}
	desired.Exempt = g.exempt()
	done, err := rules.Load(g.kernel, desired, false)
	if done == nil {
		return nil, err
	}
	return done, errors.Join(err, rememberRules(g.stateDir, desired.Record(g.host, done.Skipped, time.Now())))
}

func (g *ruleGuard) warn(what string, err error) { g.log.Warn(what, "err", err) }

// whoWroteFile finds, in the journal from a sequence on, the last event in which
// the kernel saw a file written, renamed or deleted: there is one where a rule
// watches it. exe is "" when there is none.
func whoWroteFile(journalDir string, from auditbridge.Sequence, file string) (auditbridge.Actor, string) {
	r, err := journal.OpenReader(journalDir, from, journal.ReaderOptions{PastDurable: true})
	if err != nil {
		return auditbridge.Actor{}, ""
	}
	defer r.Close()
	w := fileWriter{base: filepath.Base(file), inodes: inodesOf(filepath.Dir(file), file)}
	for range 2 * mostLooked {
		_, line, err := r.Next()
		if err != nil {
			break
		}
		w.take(line)
	}
	return w.actor, w.exe
}

// inodesOf is how records of the kernel name the files, those that are there.
func inodesOf(paths ...string) (inodes []string) {
	for _, path := range paths {
		var is unix.Stat_t
		if unix.Stat(path, &is) == nil {
			inodes = append(inodes, strconv.FormatUint(is.Ino, 10))
		}
	}
	return inodes
}

// fileWriter finds who wrote a file, record by record. A name alone says little:
// anybody may have a file so called, and a root of his own to call it so from. So the
// event must be about the file's inode, or its directory's, too.
type fileWriter struct {
	base   string
	inodes []string

	call        []byte // the SYSCALL of the event that is being read
	named, here bool   // what its PATHs have said

	actor auditbridge.Actor
	exe   string
}

func (w *fileWriter) take(line []byte) {
	switch {
	case bytes.HasPrefix(line, []byte("type=SYSCALL ")):
		w.call, w.named, w.here = append(w.call[:0], line...), false, false
	case bytes.HasPrefix(line, []byte("type=PATH ")) && len(w.call) > 0 && bytes.Equal(eventOf(line), eventOf(w.call)) && bytes.Contains(w.call, []byte(" success=yes ")):
		w.named = w.named || filepath.Base(strings.Trim(textOf(line, "name"), `"`)) == w.base
		w.here = w.here || slices.Contains(w.inodes, textOf(line, "inode"))
		if w.named && w.here {
			w.actor = auditbridge.Actor{AUID: wordOf(w.call, "auid"), UID: wordOf(w.call, "uid"), Session: wordOf(w.call, "ses"), PID: int(wordOf(w.call, "pid"))}
			w.exe = strings.Trim(textOf(w.call, "exe"), `"`)
		}
	}
}
