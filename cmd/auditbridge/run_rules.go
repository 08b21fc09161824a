package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/boot"
	"auditbridge/journal"
	"auditbridge/rules"
)

// ruleGuard compares the kernel's rules with those that were loaded last. Until
// `rules load` has loaded any there is nothing to compare.
type ruleGuard struct {
	kernel rules.Kernel
	host   *rules.Host
	file   string // what was loaded, as rules.LoadedFile has it
	heals  func() bool
	exempt func() []int // the processes whose exemptions from being audited are run's own
	note   func(auditbridge.Note)
	who    func(from auditbridge.Sequence) (auditbridge.Actor, string)
	end    func() auditbridge.Sequence // of the journal
	log    *slog.Logger

	stateDir  string
	changed   <-chan struct{} // the kernel said that rules were changed; nil never does
	files     *ruleFiles
	ranBefore bool // a run before this one

	desired *rules.Desired
	text    []byte               // what was loaded, as it was read last; nil: nothing ever was
	read    time.Time            // the file's, when that was
	missing string               // why the file is not to be read now
	agreed  auditbridge.Sequence // the journal's end when all was as it should be
	seen    int                  // looks in a row that found a difference
	told    string               // the difference that is on record
	drift   atomic.Int64         // what differs

	age     func() (time.Duration, error) // of the boot; nil is old
	began   time.Time                     // when it was first looked
	judged  time.Time                     // when it was last known whether they differ
	seenAt  []rules.Rule                  // while somebody else loads
	moved   time.Time                     // when they were others last
	tried   time.Time                     // when putting back failed last
	failed  string                        // and why, as it is on record
	trouble string                        // why nothing can be compared, as it was logged
}

// A difference is believed when it is seen twice: whoever changes rules seldom
// changes only one.
const (
	rulePause    = 300 * time.Millisecond // between looks, when the kernel says nothing
	ruleSettle   = 100 * time.Millisecond // until the second look
	ruleBelieved = 2

	ruleLoading = 10 * time.Second // how long a load may keep us from judging: its lock is only a file's
	ruleStalled = 3 * time.Second  // and how long one that changes nothing may
	ruleRetry   = 5 * time.Second  // until what could not be put back is tried again

	ruleBoot    = 2 * time.Minute  // how old a boot is when nobody is on his way to load rules
	ruleAwaited = 10 * time.Second // and how long he may take: he waits for run to be ready
)

// openRules opens what asks the kernel for its rules: a socket of its own, before
// run forbids itself more. Where the kernel does not answer, nothing is compared.
func (d *daemon) openRules() error {
	if d.cfg.Audit.Source != "kernel" && d.cfg.Audit.Source != "multicast" {
		return nil
	}
	host, err := rules.ThisHost()
	if err != nil {
		d.log.Warn("the kernel's rules are not compared with those that were loaded", "err", err)
		return nil
	}
	k, err := rules.OpenNetlink()
	if err == nil {
		if _, err = k.State(); err != nil {
			k.Close()
		}
	}
	if err != nil {
		d.log.Warn("the kernel's rules are not compared with those that were loaded", "err", err)
		return nil
	}
	d.ruleSocket = k
	var changed <-chan struct{}
	if from, ok := d.source.(interface{ RulesChanged() <-chan struct{} }); ok {
		changed = from.RulesChanged()
	}
	exempt := func() []int { return nil }
	if from, ok := d.source.(interface{ Exempted() []int }); ok {
		exempt = from.Exempted
	}
	d.rules = &ruleGuard{
		kernel: k, host: host, file: filepath.Join(d.cfg.StateDir, rules.LoadedFile), log: d.log,
		stateDir: d.cfg.StateDir, changed: changed, files: d.newRuleFiles(host), ranBefore: d.previousVersion() != "",
		heals:  func() bool { return d.now.Load().Rules.SelfHeal },
		exempt: exempt, age: boot.Age,
		note: func(n auditbridge.Note) { d.journal.Note(n) },
		who: func(from auditbridge.Sequence) (auditbridge.Actor, string) {
			return whoChangedRules(d.cfg.JournalDir, from)
		},
		end: func() auditbridge.Sequence { return d.journal.Mark().Durable() },
	}
	return nil
}

// Run looks until ctx ends: at the kernel's rules when it says that they were
// changed, and every now and then, for it need not say so; at the files when they
// are changed.
func (g *ruleGuard) Run(ctx context.Context) error {
	g.files.read = g.end() // what was written before is not asked who wrote it
	files := g.files.watch(ctx)
	g.lookBack()
	next := time.NewTimer(0)
	defer next.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-files:
			if g.lookAtFiles("") {
				g.remember()
			}
			continue
		case <-g.changed:
		case <-next.C:
		}
		g.worry(g.lookAlone(time.Now()))
		pause := rulePause
		if 0 < g.seen && g.seen < ruleBelieved {
			pause = ruleSettle
		}
		next.Reset(pause)
	}
}

// worry logs what is wrong once, however often it is met.
func (g *ruleGuard) worry(err error) {
	text := ""
	if err != nil {
		text = err.Error()
	}
	if text != g.trouble && err != nil {
		g.log.Warn("the kernel's rules cannot be compared with those that were loaded", "err", err)
	}
	g.trouble = text
}

// lookAlone looks unless somebody loads rules right now: then they differ for a
// moment. Whoever holds the lock for longer, or keeps us from it, hides nothing.
func (g *ruleGuard) lookAlone(now time.Time) error {
	held, err := tryLockRules(g.stateDir)
	if held != nil {
		defer held.Close()
		g.moved = time.Time{}
		return g.look(now, true)
	}
	if err == nil && g.loading(now) {
		g.seen = 0
		return nil
	}
	return errors.Join(err, g.look(now, false))
}

// loading tells whether whoever holds the lock is at work: what the kernel has
// becomes another again and again, and that has an end.
func (g *ruleGuard) loading(now time.Time) bool {
	if g.judged.IsZero() {
		g.judged = now
	}
	loaded, err := g.kernel.List()
	if g.moved.IsZero() || !reflect.DeepEqual(loaded, g.seenAt) {
		g.seenAt, g.moved = loaded, now
	}
	return err == nil && now.Sub(g.moved) < ruleStalled && now.Sub(g.judged) < ruleLoading
}

// look compares once. alone tells whether nobody else loads rules meanwhile.
func (g *ruleGuard) look(now time.Time, alone bool) error {
	unread := g.readFile() // then what was read before it counts on
	if g.desired == nil {
		g.judged = now
		return unread
	}
	return errors.Join(unread, g.compare(now, alone))
}

func (g *ruleGuard) compare(now time.Time, alone bool) error {
	loaded, err := g.kernel.List()
	if err != nil {
		return err
	}
	state, err := g.kernel.State()
	if err != nil {
		return err
	}
	g.desired.Exempt = g.exempt() // asked behind the list, which it may have got into meanwhile
	diff := rules.Compare(g.host, loaded, state, g.desired)
	if diff.Equal() && g.missing == "" {
		g.judged = now
		if g.told != "" {
			g.log.Info("the kernel's rules are those that were loaded again")
		}
		g.seen, g.told, g.failed, g.agreed = 0, "", "", g.end()
		g.drift.Store(0)
		return nil
	}
	if g.awaits(now, diff) {
		return nil
	}
	if g.seen++; g.seen < ruleBelieved {
		return nil
	}
	g.judged = now
	n := diff.Count()
	if g.missing != "" {
		n++
	}
	g.drift.Store(int64(n))
	if text := diff.Text() + g.missing; text != g.told {
		g.told = text
		g.tell(diff, len(loaded))
		g.tried = time.Time{}
	}
	if alone && g.heals() && now.Sub(g.tried) >= ruleRetry {
		g.heal(now)
	}
	return nil
}

// awaits tells whether the host has just booted, and nobody has loaded anything yet:
// whoever does is started behind run. That the kernel has none is no somebody's hand
// then.
func (g *ruleGuard) awaits(now time.Time, diff *rules.Difference) bool {
	if !g.judged.IsZero() || g.age == nil {
		return false
	}
	if g.began.IsZero() {
		g.began = now
	}
	if age, err := g.age(); err != nil || age > ruleBoot || now.Sub(g.began) > ruleAwaited {
		return false
	}
	return !slices.ContainsFunc(diff.Lines, func(l rules.DiffLine) bool {
		return l.Sign == "-" || l.Sign == " " && l.From != "" // run's own exemptions stand in no file
	})
}

// readFile reads what was loaded, when that has changed. That the file is gone, or
// cannot be read, is no reason to forget it: whoever deletes rules could delete it
// first. Then what was known last counts on, and that is a difference, too.
func (g *ruleGuard) readFile() error {
	info, err := os.Stat(g.file)
	if err == nil && info.ModTime().Equal(g.read) {
		return nil
	}
	if err == nil {
		err = g.readLoaded(info.ModTime())
	}
	if g.missing = ""; err == nil || g.text == nil && errors.Is(err, os.ErrNotExist) {
		return nil // or nothing was ever loaded
	}
	g.read = time.Time{}
	if g.text != nil {
		g.missing = brief(firstProblem(err))
	}
	if g.desired == nil && g.text != nil {
		if f, failed := rules.Parse(g.file, string(g.text), g.host); failed == nil {
			g.desired = f.Desire()
		}
	}
	if errors.Is(err, os.ErrNotExist) {
		return nil // it is on record
	}
	return fmt.Errorf("read what was loaded: %w", err)
}

// readLoaded takes over what was loaded, and puts on record how it is another than
// before.
func (g *ruleGuard) readLoaded(written time.Time) error {
	text, err := rules.ReadText(g.file)
	if err != nil {
		return err
	}
	f, err := rules.Parse(g.file, string(text), g.host)
	if err != nil {
		return err
	}
	before, first := g.text, g.desired == nil
	g.desired, g.read, g.text = f.Desire(), written, text
	if !bytes.Equal(before, text) {
		g.noteLoaded(before, first)
		g.remember()
	}
	return nil
}

// tell records the difference, and who the kernel says made it.
func (g *ruleGuard) tell(diff *rules.Difference, have int) {
	missing, extra, first := 0, 0, ""
	for _, l := range diff.Lines {
		switch l.Sign {
		case "+":
			missing++
		case "-":
			extra++
		}
		if first == "" && l.Sign != " " {
			first = l.Sign + l.Rule
		}
	}
	n := auditbridge.OwnFailure("rules-drift", auditbridge.Number("rules", have),
		auditbridge.Number("missing", missing), auditbridge.Number("extra", extra), auditbridge.Number("settings", len(diff.Settings)))
	if actor, exe := g.who(lately(g.agreed, g.end())); exe != "" {
		n.Actor = actor
		n.Fields = append(n.Fields, auditbridge.Text("exe", exe))
	}
	if first != "" {
		n.Fields = append(n.Fields, auditbridge.Text("first", brief(first)))
	}
	if g.missing != "" {
		n.Fields = append(n.Fields, auditbridge.Text("why", g.missing))
	}
	g.note(n)
	g.log.Error("the kernel's audit rules are not those that were loaded", "rules", have, "missing", missing, "extra", extra, "hint", "auditbridge rules diff "+g.file)
}

// heal puts back what was loaded. A failure is on record once, and tried again.
func (g *ruleGuard) heal(now time.Time) {
	err := seesWhatTheHostSees(g.desired, func(string, error) {}) // who loaded them was warned
	var done *rules.Loaded
	if err == nil {
		done, err = rules.Load(g.kernel, g.desired, false)
	}
	if err == nil && g.missing != "" {
		err = rememberRules(g.stateDir, string(g.text))
	}
	if err != nil {
		g.tried = now
		if why := err.Error(); why != g.failed {
			g.failed = why
			g.log.Error("the rules that were loaded are not put back", "err", err)
			g.note(auditbridge.OwnFailure("rules-healed", auditbridge.Text("why", brief(why))))
		}
		return
	}
	g.seen, g.told, g.failed = 0, "", "" // the next difference is another one, even when it is the same
	g.note(auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "rules-healed", auditbridge.Number("added", done.Added), auditbridge.Number("deleted", done.Deleted)))
	g.log.Info("the rules that were loaded are put back", "added", done.Added, "deleted", done.Deleted)
}

// mostLooked is in how many records, the newest, it is looked for who did what is
// noticed at once: it takes a tenth of a second.
const mostLooked = 100_000

// lately is where that begins: behind what has been looked at before.
func lately(before, end auditbridge.Sequence) auditbridge.Sequence {
	return max(before, end-min(end, mostLooked)) + 1
}

// whoChangedRules finds, in the journal from a sequence on, the last change of
// the kernel's rules, and who made it: the login user and session that the kernel
// recorded with it, and the process and program of its system call, where that
// was audited. exe is "" when there is none.
func whoChangedRules(journalDir string, from auditbridge.Sequence) (actor auditbridge.Actor, exe string) {
	r, err := journal.OpenReader(journalDir, from, journal.ReaderOptions{PastDurable: true})
	if err != nil {
		return actor, ""
	}
	defer r.Close()
	var event []byte
	for range 2 * mostLooked { // some have come since
		_, line, err := r.Next()
		if err != nil {
			break
		}
		switch {
		case bytes.HasPrefix(line, []byte("type=CONFIG_CHANGE ")) && bytes.Contains(line, []byte("_rule")):
			event = append(event[:0], eventOf(line)...)
			exe = "?"
			actor = auditbridge.Actor{AUID: wordOf(line, "auid"), Session: wordOf(line, "ses"), UID: auditbridge.Unset}
		case len(event) > 0 && bytes.HasPrefix(line, []byte("type=SYSCALL ")) && bytes.Equal(eventOf(line), event):
			actor.PID, actor.UID = int(wordOf(line, "pid")), wordOf(line, "uid")
			exe = strings.Trim(textOf(line, "exe"), `"`)
		}
	}
	return actor, exe
}

// eventOf is a record's audit(…:…), what the records of one event share.
func eventOf(line []byte) []byte {
	if _, rest, ok := bytes.Cut(line, []byte("audit(")); ok {
		if id, _, ok := bytes.Cut(rest, []byte(")")); ok {
			return id
		}
	}
	return nil
}

// textOf is the value of a field that holds no blank.
func textOf(line []byte, key string) string {
	if _, rest, ok := bytes.Cut(line, []byte(" "+key+"=")); ok {
		value, _, _ := bytes.Cut(rest, []byte(" "))
		return string(value)
	}
	return "?"
}

func wordOf(line []byte, key string) uint32 {
	n, err := strconv.ParseUint(textOf(line, key), 10, 32)
	if err != nil {
		return auditbridge.Unset
	}
	return uint32(n)
}
