package auditbridge

import (
	"context"
	"log/slog"
	"time"

	"github.com/fsnotify/fsnotify"
)

const (
	// gatherPause is how long more may come in after a line was noticed, so that
	// a busy log is read in pieces and not by the line.
	gatherPause = 5 * time.Millisecond
	// lookInterval is how soon a change is seen of which the kernel does not tell:
	// on a network's file system, or while the directory is not there.
	lookInterval = time.Second
)

// watcher wakes whoever waits when something changes in a directory. It is never
// asked what: who was woken looks for himself.
type watcher struct {
	dir    string
	notify *fsnotify.Watcher // nil when the kernel has no more of them
	tick   *time.Ticker
}

func watch(dir string, log *slog.Logger) *watcher {
	w := &watcher{dir: dir, tick: time.NewTicker(lookInterval)}
	var err error
	if w.notify, err = fsnotify.NewWatcher(); err != nil {
		w.notify = nil
		log.Warn("changes are seen within a second, not at once", "dir", dir, "err", err)
	}
	w.renew()
	return w
}

// renew watches the directory that has the name now.
func (w *watcher) renew() {
	if w.notify != nil {
		w.notify.Add(w.dir) // while it is not there, the ticker has to do
	}
}

// wait waits for a change, or lookInterval.
func (w *watcher) wait(ctx context.Context) {
	var events chan fsnotify.Event
	var errs chan error
	if w.notify != nil {
		events, errs = w.notify.Events, w.notify.Errors
	}
	select {
	case <-ctx.Done():
	case <-w.tick.C:
		w.renew()
	case <-errs: // more happened than is told: that is all we need to know
	case <-events:
		for pause := time.After(gatherPause); ; {
			select {
			case <-events:
				continue
			case <-pause:
			case <-ctx.Done():
			}
			return
		}
	}
}

func (w *watcher) close() {
	w.tick.Stop()
	if w.notify != nil {
		w.notify.Close()
	}
}
