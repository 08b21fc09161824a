package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/config"
	"auditbridge/internal/control"

	"github.com/fsnotify/fsnotify"
)

// reloader takes over a configuration that has changed, while run runs: all of
// it, when it is valid as a whole, or nothing. Either is on record, key by key,
// with who asked for it.
type reloader struct {
	d    *daemon
	file string
	hup  <-chan struct{} // SIGHUP came

	mu        sync.Mutex // one reload at a time
	watchKeys func()     // follows the directories of the key files in force
	refused   string     // why the files were refused last: it is said once
}

// settle is how long the files must be left alone before they are read: an
// editor or a package writes them in several steps.
var settle = 500 * time.Millisecond

// Run reloads when the files change or SIGHUP comes, until ctx ends.
func (r *reloader) Run(ctx context.Context) error {
	r.mu.Lock() // who asks for a reload meanwhile waits
	changed, err := r.watch(ctx)
	r.mu.Unlock()
	if err != nil {
		r.d.log.Warn("changed configuration files are not noticed; `auditbridge reload` reads them", "error", err)
	}
	quiet := time.NewTimer(time.Hour)
	quiet.Stop()
	if r.behind() {
		quiet.Reset(settle)
	}
	defer quiet.Stop()
	for {
		select {
		case <-ctx.Done():
			return nil
		case <-changed:
			quiet.Reset(settle)
		case <-quiet.C:
			r.reload(ctx, "files", nobody)
		case <-r.hup:
			r.reload(ctx, "SIGHUP", r.d.signaller())
		}
	}
}

// behind tells whether the files are others than those in force: nobody tells of what
// changed after they were read and before they were watched.
func (r *reloader) behind() bool {
	next, err := config.Load(r.file)
	return err != nil || len(config.Changes(r.d.now.Load().Effective(), next.Effective())) > 0
}

// watch tells of every change of the file, of conf.d/*.toml beside it, and of the
// key files that they name.
func (r *reloader) watch(ctx context.Context) (<-chan struct{}, error) {
	watcher, err := fsnotify.NewWatcher()
	if err != nil {
		return nil, fmt.Errorf("watch the configuration: %w", err)
	}
	context.AfterFunc(ctx, func() { watcher.Close() })
	dir := filepath.Dir(r.file)
	dropIns := filepath.Join(dir, "conf.d")
	if err := watcher.Add(dir); err != nil {
		watcher.Close()
		return nil, fmt.Errorf("watch the configuration: %w", err)
	}
	watcher.Add(dropIns) // there may be none yet; its making is seen in dir
	r.watchKeys = func() {
		for _, file := range r.d.now.Load().KeyFiles() {
			watcher.Add(filepath.Dir(file))
		}
	}
	r.watchKeys()
	changed := make(chan struct{}, 1)
	go func() {
		for {
			select {
			case e, ok := <-watcher.Events:
				switch {
				case !ok:
					return
				case e.Name == dropIns:
					watcher.Add(dropIns)
				case slices.Contains(r.d.now.Load().KeyFiles(), e.Name):
				case e.Name == r.file, filepath.Dir(e.Name) == dropIns && filepath.Ext(e.Name) == ".toml":
				default:
					continue
				}
			case <-watcher.Errors: // more has changed than the kernel told: any file may have
			}
			select {
			case changed <- struct{}{}:
			default:
			}
		}
	}()
	return changed, nil
}

// reload reads the files and takes over what has changed. why is what made us
// look, by who is behind it.
func (r *reloader) reload(ctx context.Context, why string, by auditbridge.Actor) ([]config.Change, error) {
	r.mu.Lock()
	defer r.mu.Unlock()
	defer r.d.supervisor.reloads()()
	changes, err := r.takeOver(ctx)
	if err != nil {
		if said := err.Error(); why != "files" || said != r.refused {
			r.refused = said
			r.d.log.Error("the configuration on disk is not taken over; nothing has changed", "why", why, "error", err)
			n := auditbridge.OwnFailure("config", auditbridge.Text("why", why), auditbridge.Text("reason", brief(said)))
			n.Actor = by
			r.d.journal.Note(n)
		}
		return nil, err
	}
	r.refused = ""
	for _, c := range changes {
		n := changeNote(c, why)
		n.Actor = by
		r.d.journal.Note(n)
		r.d.log.Info("configuration changed", "key", c.Key, "old", c.Old, "new", c.New, "where", c.Origin)
	}
	return changes, nil
}

// takeOver does it. What can fail comes first, so that an error leaves all as it
// was.
func (r *reloader) takeOver(ctx context.Context) ([]config.Change, error) {
	next, err := config.Load(r.file)
	if err != nil {
		return nil, err
	}
	d, now := r.d, r.d.now.Load()
	changes := config.Changes(now.Effective(), next.Effective())
	for _, c := range changes {
		if c.NeedsRestart() {
			return nil, withHint(fmt.Errorf("%s: %s cannot become %s while run runs", c.Key, c.Old, c.New), "restart it, or put the old value back")
		}
	}
	if len(changes) == 0 {
		return nil, nil
	}
	segments, err := next.Journal()
	if err == nil && len(next.Servers) > 0 {
		err = d.readableByShip()
	}
	if err == nil {
		err = d.shipper.Reconfigure(ctx, next.Destinations(), next.Tunnels())
	}
	if err == nil {
		err = errors.Join(d.keeper.Reconfigure(next.Retention()), d.guard.Reconfigure(next.Disk()), d.journal.Reconfigure(ctx, segments))
	}
	if err == nil {
		err = d.doors.Reconfigure(next.Entrances())
	}
	if err != nil {
		return nil, err
	}
	d.now.Store(next)
	r.watchKeys()
	d.rememberConfiguration()
	return changes, nil
}

// readableByShip is an error when ship could not read the journal: it had no
// user when run began, so no group was let in.
func (d *daemon) readableByShip() error {
	if os.Geteuid() != 0 || d.readers >= 0 {
		return nil
	}
	return withHint(fmt.Errorf("there was no user %s when run began: ship could not read the journal", d.cfg.ShipUser), "restart it")
}

// changeNote is the record of one changed key. No value is a secret: those stand
// in files of their own, and the configuration names the files.
func changeNote(c config.Change, why string) auditbridge.Note {
	plain := func(toml string) string { return brief(strings.ReplaceAll(toml, `"`, "")) }
	return auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "config", auditbridge.Text("why", why), auditbridge.Text("key", plain(c.Key)),
		auditbridge.Text("old", plain(c.Old)), auditbridge.Text("new", plain(c.New)), auditbridge.Text("where", plain(c.Origin)))
}

// signaller is who sent run its last SIGHUP or SIGTERM, as the kernel remembers it of
// its audit daemon; nobody where records come from elsewhere.
func (d *daemon) signaller() auditbridge.Actor {
	kernel, owned := d.source.(*auditbridge.Kernel)
	if !owned {
		return nobody
	}
	who, err := kernel.Signaller()
	if err != nil {
		d.log.Warn("who sent the signal is not known", "error", err)
		return nobody
	}
	return who
}

// askReload tells run to read its configuration anew; the answer lists the
// changes.
const askReload = "reload"

func answerReload(r *reloader) control.Handler {
	return func(ctx context.Context, who control.Peer, _ json.RawMessage) (any, error) {
		changes, err := r.reload(ctx, "reload", actor(who))
		if changes == nil {
			changes = []config.Change{}
		}
		return changes, err
	}
}
