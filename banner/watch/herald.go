package watch

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"auditbridge/banner"
	"auditbridge/internal/boot"
	"auditbridge/internal/durable"
	"auditbridge/internal/status"
	"auditbridge/internal/terminal"
)

// herald tells everybody what a verdict makes necessary, and keeps what it told in
// run-dir, so that a watch that is started again neither tells it twice nor forgets
// to take it back.
type herald struct {
	root   string
	syslog func(string) error
	down   func() bool // the host is going down
	log    *slog.Logger
	teller banner.Teller
	work   chan job // for programs that take their time

	mu       sync.Mutex
	settings *Settings
	told     told
	placed   string // what the places were given last; "" is nothing
	placing  bool   // and they have not taken it yet: a disk may hang
	missing  bool   // a place has not taken it: it is tried again when terminals would be told again
	lasting  *lasting
	lasts    []uint64 // numbers of the entries that it was given last
}

// told is what is remembered across a restart.
type told struct {
	Raised  *Verdict  `json:"raised,omitempty"` // as last told; nil when operators have no reason to worry
	Causes  []string  `json:"causes,omitempty"` // all that was raised since operators are told
	At      time.Time `json:"at,omitzero"`      // when terminals were told last
	Snooze  *Snooze   `json:"snooze,omitempty"`
	Number  uint64    `json:"number"`          // of the last entry
	Order   int64     `json:"order,omitempty"` // number of the last one that was begun
	Entries []Entry   `json:"entries,omitempty"`
	Boot    string    `json:"boot"` // in which the watch is, or was, at work
}

const (
	toldFile  = "watch.json" // in run-dir
	mostTold  = 1 << 20
	settling  = 5 * time.Second // a watch that has just begun does not believe for so long that all is well again
	jobsWait  = 64
	placeTime = 500 * time.Millisecond // that a look waits for files to be written

	lastingTime = 3 * time.Second // that a halt waits for its reason to be on disk
)

// job is a change that programs are told of.
type job struct {
	settings *Settings
	event    Event
	subject  string
	text     string

	order *status.Order // what it is about instead of a change; nil for a change
	disk  DiskEvent
}

// Event is what a hook gets on its standard input.
type Event struct {
	Event   string    `json:"event"` // raised, changed or cleared
	Node    string    `json:"node"`
	At      time.Time `json:"at"`
	Verdict Verdict   `json:"verdict"`
	Text    string    `json:"text"` // what operators read
}

func newHerald(cfg *Config, s *Settings) *herald {
	h := &herald{root: cfg.Root, syslog: cfg.Syslog, down: cfg.Stopping, log: cfg.Logger, work: make(chan job, jobsWait), settings: s, lasting: newLasting()}
	h.teller.Root = cfg.Root
	h.teller.Exclude = s.Exclude
	h.resume()
	h.told.Boot, _ = boot.ID() // what cannot be known is "", and no boot's
	h.keep()
	return h
}

// run starts programs, one after another, until ctx ends.
func (h *herald) run(ctx context.Context) {
	for {
		select {
		case <-ctx.Done():
			return
		case j := <-h.work:
			if j.order != nil {
				h.carryOut(ctx, &j)
			} else {
				h.tellPrograms(ctx, &j)
			}
		}
	}
}

// reconfigure goes by other settings from now on.
func (h *herald) reconfigure(s *Settings) {
	h.mu.Lock()
	defer h.mu.Unlock()
	before := h.settings
	h.settings, h.teller.Exclude = s, s.Exclude
	if before.Places != s.Places {
		h.complain("take back what was shown elsewhere", before.Places.Remove())
		h.show(h.text())
	}
}

// hear takes a verdict. age is how long we have been looking.
func (h *herald) hear(now time.Time, v *Verdict, age time.Duration) {
	h.mu.Lock()
	defer h.mu.Unlock()
	was := h.told.Raised
	if text := h.text(); text != h.placed {
		h.show(text)
	}
	switch news := v.State == status.Impaired && (was == nil || worse(was, v)); {
	case news && h.down(): // what records is stopped then, and systemd tells everybody why
	case news && was == nil: // who has asked for quiet before he begins does not want it repeated, either
		h.announce(now, v, "raised", "banner-raised")
	case news:
		h.announce(now, v, "changed", "banner-changed")
	case v.State == status.Impaired && now.Sub(h.told.At) >= h.settings.Repeat:
		h.repeat(now, v)
	case v.State != status.Impaired && was != nil && age >= settling:
		h.restore(now, v)
	case h.told.Raised == nil && h.missing && now.Sub(h.told.At) >= h.settings.Repeat: // what is left behind is a lie
		h.told.At = now
		h.show("")
	}
}

// worse says that there is something in v that makes it impaired and that
// operators have not been told.
func worse(was, v *Verdict) bool {
	for _, r := range v.Raised {
		known := slices.ContainsFunc(was.Raised, func(o Raised) bool { return o.Code == r.Code && o.Object == r.Object })
		if r.State() == status.Impaired && !known {
			return true
		}
	}
	return false
}

func (h *herald) announce(now time.Time, v *Verdict, event, op string) {
	told := *v
	if was := h.told.Raised; was != nil {
		told.Since = was.Since
	}
	// If we die before terminals are told, the next watch tells them; if we die right
	// after, it tells them twice.
	h.told.Raised, h.told.At = &told, time.Time{}
	h.because(v)
	h.keep()
	text := h.text()
	reached := h.teller.Tell(text)
	h.told.At = now
	h.enter(Entry{At: now, Op: op, State: v.State, Codes: v.Codes(), Detail: h.details(v)})
	h.keep()
	h.show(text)
	h.log.Error("auditing is impaired: operators are told", "because", v.Codes(), "reached", reached.Reached, "missed", reached.Missed, "excluded", reached.Excluded)
	summary := fmt.Sprintf("audit logging is impaired on %s: %s", terminal.Safe(h.settings.Node), h.details(v))
	h.complain("tell syslog", h.syslog(summary))
	h.programs(job{settings: h.settings, event: Event{event, h.settings.Node, now, told, text}, subject: summary, text: text})
}

// because adds what is raised to the causes of the whole.
func (h *herald) because(v *Verdict) {
	for _, code := range v.Codes() {
		if !slices.Contains(h.told.Causes, code) {
			h.told.Causes = append(h.told.Causes, code)
		}
	}
}

// details is a verdict in one line. Foreign text in it is harmless.
func (h *herald) details(v *Verdict) string {
	var all []string
	for _, r := range v.Raised {
		text := r.name()
		if r.Detail != "" {
			text += " (" + terminal.Safe(cut(r.Detail)) + ")"
		}
		all = append(all, text)
	}
	return strings.Join(all, ", ")
}

// repeat tells again, terminals only while nobody has asked for quiet.
func (h *herald) repeat(now time.Time, v *Verdict) {
	since := h.told.Raised.Since
	told := *v
	told.Since = since
	h.told.Raised, h.told.At = &told, now
	h.because(v)
	text := h.text()
	if s := h.told.Snooze; s == nil || !now.Before(s.Until) {
		h.teller.Tell(text)
	}
	h.show(text)
	h.keep()
}

// restore tells that it is over, and takes back all that was shown.
func (h *herald) restore(now time.Time, v *Verdict) {
	since, causes := h.told.Raised.Since, h.told.Causes
	h.told.Raised, h.told.Causes, h.told.Snooze, h.told.At = nil, nil, nil, now
	text := v.Restored(h.settings.Node, since, causes)
	reached := h.teller.Tell(text)
	h.show("")
	h.log.Info("auditing works again: operators are told", "was", causes, "reached", reached.Reached)
	h.enter(Entry{At: now, Op: "banner-cleared", State: v.State, Codes: causes, Detail: "since " + since.UTC().Format(time.RFC3339)})
	h.keep()
	summary := fmt.Sprintf("audit logging works again on %s", terminal.Safe(h.settings.Node))
	h.complain("tell syslog", h.syslog(summary))
	h.programs(job{settings: h.settings, event: Event{"cleared", h.settings.Node, now, *v, text}, subject: summary, text: text})
}

// text is the message of the moment; "" when there is none.
func (h *herald) text() string {
	if h.told.Raised == nil {
		return ""
	}
	return h.told.Raised.Impaired(h.settings.Node, h.settings.Repeat)
}

// show leaves the message in its places, or takes it back when there is none. It
// waits for a moment only: what has not taken it by then is given it at a later look.
func (h *herald) show(text string) {
	if h.placing {
		return
	}
	h.placing = true
	places, done := h.settings.Places, make(chan error, 1)
	go func() {
		if text == "" {
			done <- places.Clear()
		} else {
			done <- places.Show(text)
		}
	}()
	finish := func(err error) {
		h.placed, h.placing, h.missing = text, false, err != nil
		h.complain("show a message, or take it back", err)
	}
	select {
	case err := <-done:
		finish(err)
	case <-time.After(placeTime):
		go func() {
			err := <-done
			h.mu.Lock()
			defer h.mu.Unlock()
			finish(err)
		}()
	}
}

func (h *herald) programs(j job) {
	if j.settings.Hook == "" && j.settings.Mail == "" {
		return
	}
	select {
	case h.work <- j:
	default:
		h.log.Error("a hook or mailer is too slow: it is not told", "event", j.event.Event)
	}
}

func (h *herald) tellPrograms(ctx context.Context, j *job) {
	failed := func(what string, err error) {
		if err == nil {
			return
		}
		h.log.Error("could not "+what, "err", err)
		h.mu.Lock()
		defer h.mu.Unlock()
		h.enter(Entry{At: time.Now(), Op: "hook-failed", Detail: err.Error()})
		h.keep()
	}
	if j.settings.Hook != "" {
		failed("run the hook", banner.RunHook(ctx, j.settings.Hook, j.event))
	}
	if j.settings.Mail != "" {
		failed("send a mail", banner.Mail(ctx, j.settings.Mail, j.subject, j.text))
	}
}

// snooze keeps the message from terminals until then; a time that is over ends it.
func (h *herald) snooze(now time.Time, s *Snooze) {
	h.mu.Lock()
	defer h.mu.Unlock()
	op := "banner-snoozed"
	h.told.Snooze = s
	if !now.Before(s.Until) {
		op, h.told.Snooze = "banner-unsnoozed", nil
	}
	by := s.By
	detail := s.Reason
	if h.told.Snooze != nil {
		detail = "until " + s.Until.UTC().Format(time.RFC3339) + ": " + detail
	}
	h.log.Warn("the message to operators is kept from terminals", "until", s.Until, "reason", s.Reason, "uid", by.UID, "auid", by.AUID)
	h.enter(Entry{At: now, Op: op, Detail: detail, By: &by})
	h.keep()
}

// enter queues an entry for run.
func (h *herald) enter(e Entry) {
	h.told.Number++
	e.Number = h.told.Number
	h.told.Entries = append(h.told.Entries, e)
	if over := len(h.told.Entries) - mostEntries; over > 0 {
		h.told.Entries = slices.Delete(h.told.Entries, 0, over)
	}
}

// recorded says that run has these.
func (h *herald) recorded(entries []Entry) {
	if len(entries) == 0 {
		return
	}
	h.mu.Lock()
	defer h.mu.Unlock()
	last := entries[len(entries)-1].Number
	h.told.Entries = slices.DeleteFunc(h.told.Entries, func(e Entry) bool { return e.Number <= last })
	h.keep()
}

func (h *herald) report() Report {
	h.mu.Lock()
	defer h.mu.Unlock()
	return Report{Snooze: h.told.Snooze, Entries: slices.Clone(h.told.Entries)}
}

// resume takes up what a watch before us told.
func (h *herald) resume() {
	dir, err := durable.OpenDir(h.settings.RunDir, 0o755, -1)
	if err == nil {
		defer dir.Close()
		var text []byte
		if text, err = durable.Read(dir, toldFile, mostTold); err == nil {
			err = json.Unmarshal(text, &h.told)
		}
	}
	if err != nil {
		h.log.Debug("nothing is known of a watch before this one", "err", err)
		h.inherit()
	}
	h.lasts = h.numbers()
	h.show(h.text())
}

// inherit takes up what run has not put on record of a boot before this one, whose
// run-dir is gone.
func (h *herald) inherit() {
	entries, err := kept(h.settings.StateDir)
	if err != nil {
		h.log.Debug("nothing is kept of a boot before this one", "err", err)
	}
	if h.told.Entries = entries; len(entries) > 0 {
		h.told.Number = entries[len(entries)-1].Number
	}
}

// keep remembers what was told, across a restart, and the entries across a boot.
func (h *herald) keep() (lasts <-chan error) {
	text, err := json.Marshal(&h.told)
	if err == nil {
		err = h.store(text)
	}
	h.complain("remember what was told", err)
	if now := h.numbers(); !slices.Equal(now, h.lasts) {
		h.lasts = now
		return h.lasting.keep(h.settings.StateDir, h.told.Entries)
	}
	none := make(chan error, 1)
	none <- nil
	return none
}

func (h *herald) numbers() (all []uint64) {
	for _, e := range h.told.Entries {
		all = append(all, e.Number)
	}
	return all
}

// decided puts on record what is going to be done because nobody records, and waits
// for a moment until that outlives the host.
func (h *herald) decided(e Entry) {
	h.mu.Lock()
	h.enter(e)
	lasts := h.keep()
	h.mu.Unlock()
	select {
	case err := <-lasts:
		h.complain("keep for the next boot what is going to be done", err)
	case <-time.After(lastingTime):
		h.log.Error("what is going to be done is not on disk yet", "action", e.Action)
	}
}

func (h *herald) store(text []byte) error {
	dir, err := durable.OpenDir(h.settings.RunDir, 0o755, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	return durable.Create(dir, toldFile, text, 0o600, -1)
}

// WasHere says that a watch has been at work in this boot, and nobody has had it
// forgotten since.
func WasHere(runDir string) bool {
	id, err := boot.ID()
	var left told
	return err == nil && durable.Left(runDir, toldFile, mostTold, &left) == nil && left.Boot == id
}

// Forget takes away what a watch remembers in run-dir. None may run.
func Forget(runDir string) error {
	var errs []error
	for _, name := range []string{toldFile, knownFile} {
		if err := os.Remove(filepath.Join(runDir, name)); !errors.Is(err, fs.ErrNotExist) {
			errs = append(errs, err)
		}
	}
	return errors.Join(errs...)
}

// complain says in the log what could not be done; there is always another way by
// which operators hear.
func (h *herald) complain(what string, err error) {
	if err != nil {
		h.log.Error("could not "+what, "err", err)
	}
}
