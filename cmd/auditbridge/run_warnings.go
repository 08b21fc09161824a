package main

import (
	"context"
	"log/slog"
	"slices"
	"strings"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/config"
	"auditbridge/internal/status"
	"auditbridge/internal/warning"
)

// warnings says once, in the log and on record, what of this host's setup makes its
// audit weaker than it looks. They come and go with what they are about.
type warnings struct {
	host func() []warning.Warning // looks at the host's files
	seen atomic.Pointer[[]warning.Warning]
	look func() *status.Status
	note func(auditbridge.Note)
	log  *slog.Logger
}

const (
	warningPause = time.Second // between two looks at what status knows
	hostPause    = time.Minute // and at the host's files
)

func newWarnings(host func() []warning.Warning, look func() *status.Status, note func(auditbridge.Note), log *slog.Logger) *warnings {
	w := &warnings{host: host, look: look, note: note, log: log}
	w.seek()
	return w
}

func (w *warnings) seek() {
	found := w.host()
	w.seen.Store(&found)
}

// hostWarnings are those that can be known without asking the kernel.
func hostWarnings(c *config.Config) []warning.Warning {
	ours := !strings.HasPrefix(c.Audit.Source, "file:")                // a followed file may be another host's
	beside := c.Audit.Source != "kernel" && c.Audit.Source != "plugin" // which no unit of ours starts
	var ports []string
	for i := range c.Forwardings {
		if f := &c.Forwardings[i]; f.Listen && f.Guests() == config.Everybody {
			ports = append(ports, f.Name+" at "+f.Entrance())
		}
	}
	return warning.Host{Root: "/", JournalDir: c.JournalDir, Kernel: ours, Beside: beside, Ports: ports}.Warnings()
}

// now is what holds while the kernel says this; nil when it says nothing.
func (w *warnings) now(k *status.Kernel) []warning.Warning {
	host := *w.seen.Load()
	if k == nil {
		return host
	}
	kernel := warning.Kernel{BacklogLimit: k.BacklogLimit, RateLimit: k.RateLimit, Rules: k.Rules}
	return slices.Concat(host, kernel.Warnings())
}

// Run says each when it is first seen, until ctx ends.
func (w *warnings) Run(ctx context.Context) error {
	tick := time.NewTicker(warningPause)
	defer tick.Stop()
	again := time.NewTicker(hostPause)
	defer again.Stop()
	for said := map[string]bool{}; ; {
		for _, one := range w.look().Warnings {
			if !said[one.Code] {
				said[one.Code] = true
				w.say(&one)
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-again.C:
			w.seek()
		case <-tick.C:
		}
	}
}

func (w *warnings) say(one *warning.Warning) {
	w.log.Warn(one.String(), "warning", one.Code, "means", one.Description, "hint", one.Remedy)
	n := auditbridge.OwnNote(auditbridge.TypeDaemonErr, "warning", auditbridge.Text("warning", one.Code), auditbridge.Text("title", one.Title))
	if one.Detail != "" {
		n.Fields = append(n.Fields, auditbridge.Text("detail", brief(one.Detail)))
	}
	w.note(n)
}
