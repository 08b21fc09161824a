package watch

import (
	"context"
	"log/slog"
	"os"
	"path/filepath"
	"sync"
	"time"

	"auditbridge/banner"
	"auditbridge/internal/status"
)

// Settings is what a configuration makes of a watch. They may change while it runs.
type Settings struct {
	Node       string
	Want       Want
	RunDir     string // of run, and ours
	StateDir   string // the same, and outlives the host
	JournalDir string
	Unit       string            // the service by which run comes
	Socket     string            // where run answers
	Cursors    map[string]string // file of each destination's cursor

	Disk map[string]DiskAction // what run may order, by disk level

	Repeat  time.Duration // between two times that terminals are told
	Exclude []banner.Exclusion
	Places  banner.Places
	Hook    string // program told of each change; "" for none
	Mail    string // address told of each change; "" for none
}

// Config is a watch.
type Config struct {
	// Settings reads the configuration when it has changed, and says so. invalid
	// is why it is not valid; as far as it goes it is used all the same.
	Settings func() (s *Settings, changed bool, invalid error)
	Program  string      // where our program is; "" is not looked after
	Root     string      // "" but in tests
	Looked   func()      // called after each look: we live
	Stopping func() bool // says that the host is going down
	// Unit is how a service is, as the service manager says; nil where nobody knows.
	Unit func(name string) Unit
	// Failing is told at every look since when recording has failed, and why; the
	// zero time when it works. nil for nobody.
	Failing func(ctx context.Context, now, since time.Time, why string)
	Syslog  func(string) error // tells the host's syslog what everybody should know
	Logger  *slog.Logger
}

// Watcher looks every second whether auditing works, and sees to it that every
// operator knows when it does not.
type Watcher struct {
	cfg Config
	log *slog.Logger

	settings *Settings
	invalid  string
	memory   Memory
	known    Known // what of it the next watch finds
	run      runLook
	unit     unitLook // of run's service, until it has come
	auditd   unitLook // the same of auditd's, where it is enabled
	awaits   bool     // one of them may come at any moment
	kernel   *kernelLook
	answered *Kernel // what it said last; nil when it never did
	probing  probing
	late     lateLook
	level    *Level
	began    time.Time
	herald   *herald

	mu      sync.Mutex
	verdict Verdict // for whoever asks
}

const (
	lookEvery = time.Second
	lookAgain = 200 * time.Millisecond // when something was found that is not raised yet, or something is on its way
)

// New takes up where a watch before it was, and starts nothing.
func New(cfg Config) *Watcher {
	settings, _, invalid := cfg.Settings()
	now := time.Now()
	w := &Watcher{
		cfg: cfg, log: cfg.Logger, settings: settings, kernel: newKernelLook(),
		level: NewLevel(now), began: now, verdict: Verdict{State: status.OK, Since: now, Raised: []Raised{}},
	}
	w.herald = newHerald(&w.cfg, settings)
	w.took(invalid)
	if known, err := readKnown(settings.RunDir); err != nil {
		w.log.Debug("no watch before this one knew anything", "err", err)
	} else {
		w.known = known
		w.memory.GoOn(known)
	}
	return w
}

// Run looks until ctx ends. What operators were told stays: what was wrong may
// still be.
func (w *Watcher) Run(ctx context.Context) error {
	working, stop := context.WithCancel(ctx)
	var helpers sync.WaitGroup
	defer helpers.Wait()
	defer stop()
	go w.kernel.run(working) // may hang in the kernel for longer than we live
	helpers.Go(func() { w.herald.run(working) })
	for {
		now := time.Now()
		w.look(ctx, now)
		w.cfg.Looked()
		pause := lookEvery
		if w.level.Pending() || w.probing.waits() || w.awaits {
			pause = lookAgain
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(max(lookAgain, pause-time.Since(now))):
		}
	}
}

// look takes one look and acts on it.
func (w *Watcher) look(ctx context.Context, now time.Time) {
	if s, changed, invalid := w.cfg.Settings(); changed {
		w.settings = s
		w.herald.reconfigure(s)
		w.took(invalid)
	}
	f := w.facts(ctx, now)
	v := w.level.Look(now, w.memory.Find(&w.settings.Want, &f))
	w.mu.Lock()
	w.verdict = v
	w.mu.Unlock()
	w.remember()
	w.herald.hear(now, &v, w.age(&f))
	if w.cfg.Failing != nil {
		since, why := v.Failed()
		w.cfg.Failing(ctx, now, since, why)
	}
	if f.Run.Status != nil {
		w.herald.obey(now, &f.Run.Status.Disk)
	}
}

// remember leaves for the next watch what this one knows.
func (w *Watcher) remember() {
	known, ok := w.memory.Known()
	if !ok || known == w.known {
		return
	}
	w.known = known
	if err := known.keep(w.settings.RunDir); err != nil {
		w.log.Error("the next watch will not know what was", "err", err)
	}
}

// age is for how long we have looked; nothing while it is too early to say of run
// that it is not there.
func (w *Watcher) age(f *Facts) time.Duration {
	if f.Run.Life == Never && f.Run.Early {
		return 0
	}
	return f.At.Sub(w.began)
}

func (w *Watcher) took(invalid error) {
	w.invalid = ""
	if invalid != nil {
		w.invalid = invalid.Error()
	}
}

// facts looks at everything there is.
func (w *Watcher) facts(ctx context.Context, now time.Time) Facts {
	f := Facts{At: now, Config: w.invalid}
	if _, err := os.Stat(w.cfg.Program); w.cfg.Program != "" && os.IsNotExist(err) {
		f.Program = w.cfg.Program
	}
	report := w.Report()
	var recorded []Entry
	f.Run, recorded = w.run.look(ctx, w.settings.Socket, &report)
	w.herald.recorded(recorded)
	if f.Run.Life != Alive && f.Run.Life != Stopped {
		f.Run.Failure = failure(w.settings.RunDir)
	}
	w.awaits = false
	if f.Run.Life == Never {
		f.Run.Early = w.unit.comes(w.cfg.Unit, w.settings.Unit, now)
		f.Run.Unit, w.awaits = w.unit.unit.Says, f.Run.Early
	}
	if w.settings.Want.Local {
		f.Kernel, f.Probe = w.askKernel(&f, now)
		f.Auditd = w.missesAuditd(&f.Kernel, now)
	}
	f.Late = w.late.look(w.settings.JournalDir, w.settings.Cursors, now)
	return f
}

// missesAuditd says that one is enabled, beside us, and has had time to come.
func (w *Watcher) missesAuditd(k *Kernel, now time.Time) bool {
	if w.settings.Want.Source == "kernel" || !k.answers() || k.Owner.PID != 0 && !k.Owner.Dead {
		return false
	}
	enabled, _ := filepath.Glob(w.cfg.Root + "/etc/systemd/system/*.wants/" + auditdUnit)
	if len(enabled) == 0 {
		return false
	}
	comes := w.auditd.comes(w.cfg.Unit, auditdUnit, now)
	w.awaits = w.awaits || comes
	return !comes
}

const auditdUnit = "auditd.service"

// askKernel asks how its audit is set, and sends a probe when one is due: also at
// once when something is set otherwise by which records may go another way.
func (w *Watcher) askKernel(f *Facts, now time.Time) (Kernel, Probe) {
	if f.Run.Life != Alive {
		k, _ := w.kernel.look(question{except: f.Run.PID}, shortWait)
		return k, w.probing.forget()
	}
	k := w.inquire(f, now)
	if k.answers() && w.answered != nil && k.otherwise(w.answered) {
		w.probing.doubt(time.Now())
		k = w.inquire(f, now)
	}
	if k.answers() {
		w.answered = &k
	}
	return k, w.probing.look(w.settings.JournalDir, w.run.held, now)
}

func (w *Watcher) inquire(f *Facts, now time.Time) Kernel {
	q := question{except: f.Run.PID}
	if f.Run.Status != nil && !w.kernel.asked && w.probing.due(now, w.memory.Orphaned()) {
		q.say, _ = w.probing.next(w.settings.JournalDir)
	}
	k, said := w.kernel.look(q, kernelWait)
	if !said.IsZero() {
		w.probing.sent(said)
	}
	return k
}

// Report is how it stands; the caller owns it.
func (w *Watcher) Report() Report {
	w.mu.Lock()
	v := w.verdict
	w.mu.Unlock()
	r := w.herald.report()
	r.PID, r.At, r.Verdict = os.Getpid(), time.Now(), v
	if r.Snooze != nil && !r.At.Before(r.Snooze.Until) {
		r.Snooze = nil
	}
	return r
}

// Snooze keeps the message from being repeated on terminals until then, on record.
func (w *Watcher) Snooze(s Snooze) { w.herald.snooze(time.Now(), &s) }

// Decided puts on record what is going to be done because nobody records, and why.
func (w *Watcher) Decided(now time.Time, action, because, reason string) {
	w.herald.decided(Entry{At: now, Op: "failure-action", State: status.Impaired, Action: action, Codes: []string{because}, Detail: reason})
}
