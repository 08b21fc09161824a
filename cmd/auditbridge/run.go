package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"runtime"
	"strconv"
	"strings"
	"sync/atomic"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/banner/watch"
	"auditbridge/config"
	"auditbridge/diskguard"
	"auditbridge/forward"
	"auditbridge/internal/accounts"
	"auditbridge/internal/boot"
	"auditbridge/internal/control"
	"auditbridge/internal/deputy"
	"auditbridge/internal/metrics"
	"auditbridge/internal/status"
	"auditbridge/internal/warning"
	"auditbridge/journal"
	"auditbridge/journal/ring"
	"auditbridge/retention"
	"auditbridge/seal"

	"github.com/spf13/cobra"
)

func newRunCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "run",
		Short: "Run the daemon, in the foreground",
		Long: `Hears audit records, keeps them in the journal and has them shipped by its
unprivileged child, until SIGTERM or SIGINT; then it gives the kernel back as it
was found, makes all durable, and lets each destination take what is left.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) (err error) {
			// One more than the cores are the threads that sit in system calls:
			// at two, a receiving thread was seen to come back 18 ms late.
			runtime.GOMAXPROCS(runtime.NumCPU() + 2)
			log := newLogger(cmd.ErrOrStderr())
			defer func() { lastWords(cmd.ErrOrStderr(), log, err) }()
			hup := make(chan struct{}, 1)
			defer outlive(log, hup)()
			if err := harden(); err != nil {
				return err
			}
			heir, err := inherit()
			if err != nil {
				return err
			}
			deputy, unconfined, err := confineRun(heir, log)
			if err != nil {
				return err
			}
			defer deputy.Close()
			file := configFile(cmd)
			c, err := config.Load(file)
			defer func() {
				if err != nil {
					leaveFailure(c, err, log)
				}
			}()
			if err != nil {
				return err
			}
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			if err := heir.find(c.RunDir, log); err != nil {
				return err
			}
			d, err := openDaemon(c, deputy, heir, log)
			if err != nil {
				return err
			}
			d.reloader.file, d.reloader.hup = file, hup
			d.unconfined = unconfined
			d.restarter.file = file
			if heir.Stop {
				stop()
			}
			left, err := d.Run(ctx)
			err = errors.Join(err, d.Close())
			if left == nil {
				return err
			}
			if err != nil {
				log.Error("not all has ended in order; another program takes over all the same", "error", err)
			}
			left.Stop = ctx.Err() != nil
			return d.restarter.handOver(left)
		},
	}
}

// source is where records come from.
type source interface {
	Run(ctx context.Context) error
}

// daemon is everything `run` consists of, in the order of the data.
type daemon struct {
	cfg *config.Config                // as run began with it: what never changes is read here
	now atomic.Pointer[config.Config] // as it is in force
	log *slog.Logger

	deputy     *deputy.Deputy // does what run forbids itself
	unconfined error          // why run could not forbid itself anything; nil when it could

	input    io.Reader // what auditd writes, when it is the source
	byAuditd bool      // and it is auditd that does
	ring     *ring.Ring
	source   source
	hears    io.Closer // the same, when it listens to the kernel
	journal  *journal.Journal
	keeper   *retention.Keeper
	accounts *accounts.Recorder // nil: not recorded
	guard    *diskguard.Guard
	shipper  *forward.Shipper
	doors    *forward.Doorkeeper
	tracker  *status.Tracker
	control  *control.Server
	metrics  *metrics.Server // nil: not served
	reloader *reloader
	alarms   *alarms
	warnings *warnings
	losses   *losses
	clock    *clock
	rules    *ruleGuard    // nil: the kernel cannot be asked
	ended    chan struct{} // closed when nothing more is heard

	supervisor *supervisor
	watched    *watched
	vigil      *vigil
	restarter  *restarter
	heir       inheritance
	asked      *asked
	ruleSocket io.Closer // of rules

	started time.Time
	readers int        // the group that may read the journal; -1 is none
	before  ring.Stats // when we took the ring over
}

// openDaemon opens and recovers everything, and starts nothing: nothing is heard
// before it can be kept. The source comes first, since on a host where there is
// nothing to hear nothing shall be made on the disk either.
func openDaemon(c *config.Config, deputy *deputy.Deputy, heir inheritance, log *slog.Logger) (d *daemon, err error) {
	d = &daemon{cfg: c, deputy: deputy, heir: heir, log: log, started: time.Now(), ended: make(chan struct{})}
	d.now.Store(c)
	d.reloader = &reloader{d: d, watchKeys: func() {}}
	d.restarter = &restarter{d: d, asked: make(chan struct{})}
	d.supervisor = newSupervisor(log, d.standing)
	d.losses = &losses{log: log, note: func(n auditbridge.Note) { d.journal.Note(n) }, before: func() journal.Ended { return d.journal.Ended() }}
	defer func() {
		if err != nil {
			d.Close()
		}
	}()
	for _, open := range []func() error{d.openInput, d.openRing, d.openSource, d.withdrawExemptions, d.openJournal, d.resumeSource, d.openReaders, d.openAccounts, d.openRules} {
		if err := open(); err != nil {
			return d, err
		}
	}
	d.alarms = &alarms{stateDir: c.StateDir, note: d.journal.Note, seal: d.journal.Checkpoint, log: log}
	d.clock = &clock{note: d.journal.Note, lines: d.eachNewest, log: log}
	d.asked = &asked{note: d.journal.Note}
	d.watched = &watched{note: d.journal.Note, carried: d.guard.Carried, log: log, runDir: c.RunDir, began: d.started}
	d.vigil = newVigil(d.watched.missing, func() watch.Settings { return d.now.Load().Watch() }, log)
	d.tracker = status.NewTracker(d.facts)
	d.alarms.look = d.tracker.Now
	d.warnings = newWarnings(func() []warning.Warning { return hostWarnings(d.now.Load()) }, d.tracker.Now, d.journal.Note, log)
	if at := c.MetricsAddress(); at != (metrics.Address{}) {
		group, err := c.GroupID()
		if err != nil {
			return d, err
		}
		d.metrics = metrics.NewServer(metrics.Config{Address: at, GroupID: group, Look: d.tracker.Now, ListenTCP: d.deputy.Listen, Log: log})
	}
	d.control, err = control.Listen(c.ControlSocket(), map[string]control.Handler{
		askStatus:       answerStatus(d.tracker),
		askConfirmClock: answerConfirmClock(d.keeper),
		askReload:       answerReload(d.reloader),
		askResume:       answerResume(d.journal),
		watch.AskReport: answerWatch(d.watched, d.tracker),
		askRestart:      answerRestart(d.restarter),
		askReading:      answerReading(d.asked),
	}, log)
	if err == nil {
		d.control.Denied = d.asked.refused
	}
	return d, err
}

func (d *daemon) openRing() error {
	if err := openToAll(d.cfg.RunDir); err != nil {
		err = fmt.Errorf("make run-dir: %w", err)
		if os.Geteuid() != 0 {
			err = withHint(err, "run as root")
		}
		return err
	}
	id, err := boot.ID()
	if err != nil {
		return err
	}
	d.ring, err = d.takeRing(ring.Config{Path: d.cfg.RingFile(), BootID: id})
	return err
}

func (d *daemon) openSource() (err error) {
	kind, path, _ := strings.Cut(d.cfg.Audit.Source, ":")
	if kind == "kernel" {
		return d.openKernel()
	}
	d.dropSocket()
	switch kind {
	case "multicast":
		err = d.openMulticast()
	case "plugin":
		l, failed := auditbridge.OpenLines(d.input, d.cfg.Kernel().Pressure, d.ring)
		if d.source, err = l, failed; d.byAuditd { // what comes over a pipe is anybody's
			err = d.fromAuditd(l, failed)
		}
	case "unix":
		err = d.fromAuditd(auditbridge.OpenDispatcher(auditbridge.DispatcherConfig{
			Path: path, Pressure: d.cfg.Kernel().Pressure, Note: func(n auditbridge.Note) { d.journal.Note(n) }, Logger: d.log,
		}, d.ring))
	case "file":
		d.source, err = auditbridge.OpenFollower(auditbridge.FollowerConfig{
			Path: path, Note: func(n auditbridge.Note) { d.journal.Note(n) }, Logger: d.log,
		}, d.ring)
	default:
		err = fmt.Errorf("open source %q: not in this version", d.cfg.Audit.Source)
	}
	return err
}

func (d *daemon) openJournal() error {
	cfg, err := d.cfg.Journal()
	if err != nil {
		return err
	}
	if cfg.GroupID < 0 { // ship reads the journal as another user
		if cfg.GroupID, err = d.shipGroup(); err != nil {
			return err
		}
	}
	d.readers = cfg.GroupID
	cfg.Logger = d.log
	cfg.Relays = d.relayPositions
	cfg.OnState = func(journal.State) { d.guard.Changed() }
	cfg.OnAppend = func() { d.guard.Changed() }
	cfg.OnSegment = func() { d.keeper.Wake() }
	d.journal, err = journal.Open(cfg, d.ring)
	d.before = d.ring.Stats() // the journal has found what the process before has written, and what is to be written again
	return err
}

func (d *daemon) openReaders() (err error) {
	if d.keeper, err = retention.NewKeeper(d.cfg.Retention(), d.cfg.StateDir, d.journal, d.retentionCursors, d.log); err != nil {
		return err
	}
	disk := d.cfg.Disk()
	disk.Means = diskguard.Means{StateDir: d.cfg.StateDir, Rotate: d.keeper.Rotate, Push: d.push, Tell: d.tell, Command: d.deputy.Run, Logger: d.log}
	if d.guard, err = diskguard.New(disk, d.journal); err != nil {
		return err
	}
	d.shipper, err = forward.NewShipper(forward.ShipperConfig{
		JournalDir:   shipJournal,
		Journal:      d.journal.ID(),
		StateDir:     d.cfg.StateDir,
		Build:        thisBuild().Version,
		Destinations: d.cfg.Destinations(),
		Tunnels:      d.cfg.Tunnels(),
		Durable:      d.journal.Mark().Durable,
		Oldest:       d.journal.Oldest,
		Note:         d.journal.Note,
		Record:       d.journal.Record,
		Log:          d.log,
	})
	if err != nil {
		return err
	}
	d.doors, err = forward.NewDoorkeeper(forward.DoorkeeperConfig{
		Entrances: d.cfg.Entrances(), Listen: d.listenAt, Start: d.startShip, Socket: shipWork, Note: d.journal.Note, Log: d.log,
	})
	return err
}

// Close gives everything back. After an error of openDaemon some of it is
// missing.
func (d *daemon) Close() error {
	var errs []error
	if d.shipper != nil {
		errs = append(errs, d.shipper.Close())
	}
	if d.guard != nil {
		errs = append(errs, d.guard.Close())
	}
	if d.keeper != nil {
		errs = append(errs, d.keeper.Close())
	}
	if d.journal != nil {
		errs = append(errs, d.journal.Close())
	}
	if d.hears != nil {
		errs = append(errs, d.hears.Close())
	}
	if d.ruleSocket != nil {
		errs = append(errs, d.ruleSocket.Close())
	}
	if d.ring != nil {
		errs = append(errs, d.ring.Unmap())
	}
	return errors.Join(errs...)
}

// relayPositions is how far each relay's cursor is, for the checkpoints.
func (d *daemon) relayPositions() (all []seal.RelayPosition) {
	if d.shipper == nil {
		return nil
	}
	for name, c := range d.shipper.Cursors() {
		all = append(all, seal.RelayPosition{Name: name, At: c.At})
	}
	return all
}

// retentionCursors lists every destination; one that has not begun yet is at
// the beginning.
func (d *daemon) retentionCursors() (all []retention.Cursor) {
	known := d.shipper.Cursors()
	for _, to := range d.now.Load().Servers {
		all = append(all, retention.Cursor{Relay: to.Name, At: known[to.Name].At})
	}
	return all
}

func (d *daemon) noteStart() {
	if err := watch.ForgetFailure(d.cfg.RunDir); err != nil {
		d.log.Warn("what a run before this one failed with is not forgotten", "err", err)
	}
	b := thisBuild()
	var to []string
	for _, server := range d.cfg.Servers {
		to = append(to, server.Name)
	}
	d.log.Info("auditbridge runs", "version", b.Version, "source", d.cfg.Audit.Source, "journal", d.cfg.JournalDir, "destinations", to)
	fields := []auditbridge.Field{
		auditbridge.Text("ver", b.Version),
		auditbridge.Text("go", b.Go),
		auditbridge.Text("fips", strconv.FormatBool(b.FIPS)),
		auditbridge.Text("source", d.cfg.Audit.Source),
	}
	if b.FIPS {
		fields = append(fields, auditbridge.Text("module", b.Module))
	}
	if old := d.previousVersion(); old != "" && old != b.Version {
		fields = append(fields, auditbridge.Text("old", old))
	}
	if d.heir.restarted {
		fields = append(fields, auditbridge.Text("why", "restart"))
	}
	if d.inherits() {
		fields = append(fields, auditbridge.Text("socket", "kept"))
	}
	if outside, test := diskguard.Protected(); test && outside != "" {
		fields = append(fields, auditbridge.Text("never-halt", outside))
		d.log.Warn("this host will not be halted whatever the configuration says: a variable for tests is in the environment", diskguard.OutsideVariable, outside)
	}
	d.journal.Note(auditbridge.OwnNote(auditbridge.TypeDaemonStart, "start", fields...))
	d.noteChangesSince()
	d.rememberConfiguration()
	d.rememberVersion(b.Version)
	if aside := d.ring.SetAside(); aside != "" {
		d.journal.Note(auditbridge.OwnFailure("ring-set-aside", auditbridge.Text("why", aside)))
	}
}
