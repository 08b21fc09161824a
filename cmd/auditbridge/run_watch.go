package main

import (
	"context"
	"encoding/json"
	"log/slog"
	"os"
	"strings"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/banner/watch"
	"auditbridge/config"
	"auditbridge/internal/control"
	"auditbridge/internal/status"
)

// watched is what run knows of the watch: it hears of it every second, puts on
// record what it did, and notices when it is gone.
type watched struct {
	note    func(auditbridge.Note)
	carried func(order int64, failure string) // of a disk level
	log     *slog.Logger
	runDir  string
	began   time.Time // when run did

	mu     sync.Mutex
	report *watch.Report // the last; nil when there was none
	at     time.Time     // when it came
	by     control.Peer  // from whom
	last   uint64        // number of the last entry that is on record
}

// watchSilence is how long a watch that lives may say nothing, or one before us may
// take to find us.
const watchSilence = 10 * time.Second

// answerWatch takes a report, and answers what run knows of itself.
func answerWatch(w *watched, t *status.Tracker) control.Handler {
	return func(_ context.Context, who control.Peer, args json.RawMessage) (any, error) {
		var r watch.Report
		if err := json.Unmarshal(args, &r); err != nil {
			return nil, err
		}
		w.take(who, &r)
		s := t.Now()
		s.Running, s.Answering = true, true
		return s, nil
	}
}

// take puts on record what is new in a report.
func (w *watched) take(who control.Peer, r *watch.Report) {
	w.mu.Lock()
	defer w.mu.Unlock()
	if w.report == nil || w.by.PID != who.PID {
		w.last = 0
		w.note(auditbridge.OwnNote(auditbridge.TypeDaemonResume, "watch-begins", auditbridge.Number("watch-pid", who.PID)))
	}
	for _, e := range r.Entries {
		if e.Number <= w.last {
			continue
		}
		if w.last = e.Number; e.Order != 0 {
			w.carried(e.Order, e.Detail)
		} else {
			w.note(entryNote(&e))
		}
	}
	r.Entries = nil
	w.report, w.at, w.by = r, time.Now(), who
}

// entryNote is the record of what the watch did: when, and for whom, as it heard
// from the kernel.
func entryNote(e *watch.Entry) auditbridge.Note {
	n := auditbridge.OwnNote(auditbridge.TypeDaemonResume, e.Op)
	if e.Op == "banner-raised" || e.Op == "banner-changed" || e.Op == "hook-failed" || e.Op == "failure-action" {
		n = auditbridge.OwnFailure(e.Op)
	}
	if e.By != nil {
		n.Type = auditbridge.TypeDaemonConfig
		n.Actor = auditbridge.Actor{AUID: e.By.AUID, UID: e.By.UID, Session: e.By.Session, PID: e.By.PID}
	}
	n.Fields = append(n.Fields, auditbridge.Text("at", e.At.UTC().Format("2006-01-02T15:04:05.000Z")))
	if e.Action != "" {
		n.Fields = append(n.Fields, auditbridge.Text("action", e.Action))
	}
	if len(e.Codes) > 0 {
		n.Fields = append(n.Fields, auditbridge.Text("because", brief(strings.Join(e.Codes, ","))))
	}
	if e.Detail != "" {
		n.Fields = append(n.Fields, auditbridge.Text("reason", brief(e.Detail)))
	}
	return n
}

// leaveFailure says why run ended where the watch finds it, unless another run is at
// work.
func leaveFailure(c *config.Config, because error, log *slog.Logger) {
	limited, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	if who, err := control.Who(limited, c.ControlSocket()); err == nil && who.PID != os.Getpid() {
		return
	}
	f := watch.Failure{At: time.Now(), PID: os.Getpid(), Error: because.Error()}
	if err := f.Leave(c.RunDir); err != nil {
		log.Warn("the watch is not told why run ends", "err", err)
	}
}

// askWatch fills in what the watch says to whoever asks it, while run does not.
func askWatch(ctx context.Context, c *config.Config, s *status.Status) {
	var r watch.Report
	if err := control.Ask(ctx, c.WatchSocket(), askWatchReport, nil, &r); err == nil {
		s.Watch = watchStatus(&r)
	}
}

// fill says how the watch is.
func (w *watched) fill(s *status.Status) {
	w.mu.Lock()
	defer w.mu.Unlock()
	why := w.why()
	switch {
	case w.report != nil:
		s.Watch = watchStatus(w.report)
		s.Watch.Heard, s.Watch.Missing = w.at, why
	case why != "":
		s.Watch = &status.Watch{State: status.Impaired, Findings: []status.Finding{}, Missing: why}
	}
}

// missing is why the watch says nothing any more; "" while it is there, and where
// there is to be none in this boot.
func (w *watched) missing() (why string, there bool) {
	w.mu.Lock()
	defer w.mu.Unlock()
	why = w.why()
	return why, why == "" && w.report != nil && watch.LifeOf(w.by.PID) == watch.Alive
}

// why is missing's, for who holds mu.
func (w *watched) why() (why string) {
	if w.report == nil {
		if time.Since(w.began) > watchSilence { // whoever ends it and then has run started anew does not get rid of it so
			why = "it was there before run was started anew"
		}
	} else {
		switch life := watch.LifeOf(w.by.PID); {
		case life == watch.Gone:
			why = "its process has ended"
		case life == watch.Stopped:
			why = "its process is stopped"
		case time.Since(w.at) > watchSilence:
			why = "it says nothing"
		}
	}
	if why != "" && !watch.WasHere(w.runDir) { // never was, or was taken away
		return ""
	}
	return why
}

// watchStatus is a report as status shows it.
func watchStatus(r *watch.Report) *status.Watch {
	s := &status.Watch{PID: r.PID, State: r.Verdict.State, Since: r.Verdict.Since, Heard: r.At, Findings: []status.Finding{}}
	for _, f := range r.Verdict.Raised {
		kind := watch.Lookup(f.Code)
		if kind == nil {
			continue
		}
		s.Findings = append(s.Findings, status.Finding{
			Code: f.Code, Object: f.Object, Detail: f.Detail, Since: f.Since, State: f.State(),
			Title: kind.Title, Description: kind.Description, Remedy: kind.Remedy,
		})
	}
	if r.Snooze != nil {
		s.SnoozedUntil, s.SnoozeReason = r.Snooze.Until, r.Snooze.Reason
	}
	return s
}
