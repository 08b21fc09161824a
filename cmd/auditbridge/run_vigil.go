package main

import (
	"context"
	"fmt"
	"log/slog"
	"time"

	"auditbridge/banner"
	"auditbridge/banner/watch"
	"auditbridge/internal/hostlog"
	"auditbridge/internal/terminal"
)

// vigil tells operators that the watch is missing, for nobody else would; whatever
// happens then, they do not hear of it. Of the watch's ways it has those that a
// process has which executes nothing and does not write below /etc.
type vigil struct {
	root     string                          // "" but in tests
	missing  func() (why string, there bool) // why the watch is; "" while it is there, and where there is to be none
	settings func() watch.Settings
	teller   banner.Teller
	log      *slog.Logger

	since time.Time // when it was missed first; zero while it is there
	told  time.Time // when terminals were told last; zero when they were not
	left  string    // what the next login sees
}

const (
	vigilPause  = 250 * time.Millisecond
	vigilBegins = time.Second // how long it may take systemd to bring the watch back
)

func newVigil(missing func() (string, bool), settings func() watch.Settings, log *slog.Logger) *vigil {
	return &vigil{root: watchRoot, missing: missing, settings: settings, teller: banner.Teller{Root: watchRoot}, log: log}
}

// Run looks until ctx ends. What was left for the next login goes with it: a watch
// that is missing then is the next run's.
func (v *vigil) Run(ctx context.Context) error {
	tick := time.NewTicker(vigilPause)
	defer tick.Stop()
	for {
		select {
		case <-ctx.Done():
			v.retract()
			return nil
		case now := <-tick.C:
			v.look(now)
		}
	}
}

func (v *vigil) look(now time.Time) {
	why, there := v.missing()
	switch {
	case why == "" && !v.told.IsZero():
		v.end(there)
	case why == "":
		v.since = time.Time{}
	case v.since.IsZero():
		v.since = now
	case v.told.IsZero() && now.Sub(v.since) >= vigilBegins:
		v.begin(now, why)
	case !v.told.IsZero() && now.Sub(v.told) >= v.settings().Repeat:
		v.tell(now, why)
	}
}

func (v *vigil) begin(now time.Time, why string) {
	s := v.tell(now, why)
	v.log.Error("the watch is missing: operators are told", "why", why)
	v.complain(hostlog.SendTo(v.root+hostlog.Socket, hostlog.AuthEmergency,
		fmt.Sprintf("audit logging is not watched on %s: %s", terminal.Safe(s.Node), why), time.Second))
}

// tell reaches terminals, and leaves the message for the next login.
func (v *vigil) tell(now time.Time, why string) watch.Settings {
	s := v.settings()
	text := watch.Unwatched(s.Node, why, v.since, s.Repeat)
	v.told, v.teller.Exclude = now, s.Exclude
	v.teller.Tell(text)
	if v.left != text {
		v.retract()
		v.left = text
		v.complain(v.places().Leave(text))
	}
	return s
}

// end is for when it is not missing any more: it is back, or there is to be none.
func (v *vigil) end(back bool) {
	v.retract()
	v.since, v.told = time.Time{}, time.Time{}
	if back {
		s := v.settings()
		v.teller.Tell(watch.WatchedAgain(s.Node))
		v.log.Info("the watch is back: operators are told")
	}
}

// retract takes away what was left, where the watch has not done so.
func (v *vigil) retract() {
	if v.left != "" {
		v.complain(v.places().Retract(v.left))
		v.left = ""
	}
}

func (v *vigil) places() *banner.Places {
	places := v.settings().Places
	places.Root = v.root
	return &places
}

func (v *vigil) complain(err error) {
	if err != nil {
		v.log.Error("not everybody is told that the watch is missing", "err", err)
	}
}
