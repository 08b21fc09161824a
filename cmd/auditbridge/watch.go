package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"log/slog"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	"auditbridge/banner"
	"auditbridge/banner/watch"
	"auditbridge/config"
	"auditbridge/diskguard"
	"auditbridge/internal/control"
	"auditbridge/internal/durable"
	"auditbridge/internal/hostlog"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"github.com/spf13/cobra"
	"golang.org/x/sync/errgroup"
)

// watchRoot stands in front of every path where the watch tells people something,
// and of the terminals it writes to. Only tests set it.
var watchRoot = ""

func newWatchCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "watch",
		Short: "Watch from outside whether auditing works, and tell every operator when it does not",
		Long: `Looks every second whether auditing works: is kernel audit on, does run hold its socket, does it get on, does a message
that goes in at the kernel come out in the journal, is anything set that loses records. When it does not work, everybody at
a terminal is told at once and every minute until it does; so is the next login (motd, issue), and each shell that is open.
That run could not start counts. Each of these is on record as soon as run records again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := cmd.Flags().GetString("config")
			if err != nil {
				return err
			}
			log := newLogger(cmd.ErrOrStderr())
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return watchOver(ctx, file, log)
		},
	}
	cmd.AddCommand(newSnoozeCommand(), newClearBannerCommand())
	return cmd
}

// watchOver watches until ctx ends.
func watchOver(ctx context.Context, file string, log *slog.Logger) error {
	if err := harden(); err != nil {
		return err
	}
	settings := &watchSettings{file: file}
	first, _, _ := settings.read()
	if err := openToAll(first.RunDir); err != nil {
		return fmt.Errorf("make run-dir: %w", err)
	}
	settings.again = true
	say := func(state string) {
		if _, err := systemd.SdNotify(false, state); err != nil {
			log.Warn("the service manager does not listen", "state", state, "err", err)
		}
	}
	failure := diskguard.NewFailure(settings.failure, diskguard.Means{
		StateDir: settings.stateDir, Logger: log, NoLogin: watchRoot + "/run/nologin",
		Tell: func(text string) { tellBeforeTheEnd(text, settings.last.Exclude) },
	})
	defer failure.Close()
	w := watch.New(watch.Config{
		Failing: func(ctx context.Context, now, since time.Time, why string) {
			failure.Reconfigure(settings.failure)
			failure.See(ctx, now, since, why)
		},
		Settings: settings.read, Program: ownProgram(), Root: watchRoot, Logger: log,
		Stopping: hostStops,
		Looked:   func() { say(systemd.SdNotifyWatchdog) },
		Syslog: func(text string) error {
			return hostlog.SendTo(watchRoot+hostlog.Socket, hostlog.AuthEmergency, text, time.Second)
		},
	})
	answers, err := control.Listen(settings.socket, map[string]control.Handler{
		askWatchReport: func(context.Context, control.Peer, json.RawMessage) (any, error) { return w.Report(), nil },
		askSnooze:      answerSnooze(w),
	}, log)
	if err != nil {
		return err
	}
	log.Info("auditbridge watches", "version", thisBuild().Version, "journal", first.JournalDir)
	say(systemd.SdNotifyReady)
	var g errgroup.Group
	g.Go(func() error { return answers.Run(ctx) })
	g.Go(func() error { return w.Run(ctx) })
	return g.Wait()
}

// hostStops says that systemd is taking the host down.
func hostStops() bool {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return false // somebody else is process 1, sd_booted(3)
	}
	limited, cancel := context.WithTimeout(context.Background(), time.Second)
	defer cancel()
	out, _ := exec.CommandContext(limited, "/usr/bin/systemctl", "is-system-running").Output() // any state but running has an exit status
	return strings.TrimSpace(string(out)) == "stopping"
}

// openToAll makes a directory in which everybody may look up a name: shells read
// the banner there. What is not for everybody has a mode that says so.
func openToAll(path string) error {
	dir, err := durable.OpenDir(path, 0o755, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	return dir.Grant(0o755, -1)
}

// ownProgram is where this program is started from.
func ownProgram() string {
	path, err := os.Executable()
	if err != nil {
		return ""
	}
	return strings.TrimSuffix(path, " (deleted)")
}

// watchSettings reads the configuration when its files have changed. One that is
// not valid leaves the last that was in force; where there was none, it is used as
// far as it goes: that run cannot start with it is what there is to tell.
type watchSettings struct {
	file  string
	again bool // the next read is the first one's result once more
	stamp string

	last    watch.Settings
	good    bool // last was valid
	invalid error
	socket  string // where the watch answers

	failure  diskguard.FailureConfig
	stateDir string
}

// tellBeforeTheEnd reaches whoever is there when the host goes down.
func tellBeforeTheEnd(text string, exclude []banner.Exclusion) {
	diskguard.TellConsole(text)
	(&banner.Teller{Root: watchRoot, Exclude: exclude}).Tell(text)
}

func (s *watchSettings) read() (*watch.Settings, bool, error) {
	stamp := s.stampNow()
	if stamp == s.stamp {
		changed := s.again
		s.again = false
		return &s.last, changed, s.invalid
	}
	s.stamp = stamp
	c, err := config.Load(s.file)
	if onlyMissing(err) && s.file == config.DefaultFile {
		err = nil // the defaults hold
	}
	if s.invalid = err; err != nil && s.good {
		return &s.last, true, err
	}
	next := c.Watch()
	next.Places.Root = watchRoot
	s.last, s.good, s.socket = next, err == nil, c.WatchSocket()
	s.failure, s.stateDir = c.Failure(), c.StateDir
	return &s.last, true, err
}

// stampNow tells one state of the files from another.
func (s *watchSettings) stampNow() string {
	names := []string{s.file}
	dropIns, _ := filepath.Glob(filepath.Join(filepath.Dir(s.file), "conf.d", "*.toml"))
	var b strings.Builder
	for _, name := range append(names, dropIns...) {
		info, err := os.Stat(name)
		if err != nil {
			fmt.Fprintln(&b, name, err)
			continue
		}
		fmt.Fprintln(&b, name, info.ModTime().UnixNano(), info.Size(), info.Mode())
	}
	return b.String()
}

// askWatchReport and askSnooze are what the watch can be asked.
const (
	askWatchReport = "report"
	askSnooze      = "snooze"
)

type snoozing struct {
	Seconds int64  `json:"seconds"`
	Reason  string `json:"reason"`
}

const longestSnooze = 24 * time.Hour

func answerSnooze(w *watch.Watcher) control.Handler {
	return func(_ context.Context, who control.Peer, args json.RawMessage) (any, error) {
		var a snoozing
		if err := json.Unmarshal(args, &a); err != nil {
			return nil, err
		}
		d := time.Duration(a.Seconds) * time.Second
		switch {
		case strings.TrimSpace(a.Reason) == "":
			return nil, errors.New("a reason is wanted")
		case d < 0 || d > longestSnooze:
			return nil, fmt.Errorf("%v is not between 0 and %v", d, longestSnooze)
		}
		until := time.Now().Add(d)
		w.Snooze(watch.Snooze{Until: until, Reason: brief(a.Reason), By: watch.Actor{PID: who.PID, UID: who.UID, AUID: who.LoginUID, Session: who.Session}})
		return until, nil
	}
}

func newSnoozeCommand() *cobra.Command {
	var length time.Duration
	var reason string
	cmd := &cobra.Command{
		Use:   "snooze --for DURATION --reason TEXT",
		Short: "Keep the message from being repeated on terminals for a while, on record",
		Long: `The message stays where the next login and open shells see it, and terminals are told of whatever else goes wrong, and
when it is over. Who asked for it, and why, goes on record. --for 0s ends it.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if reason == "" {
				return &usageError{errors.New("--reason says why: it goes on record"), cmd.CommandPath()}
			}
			file, err := cmd.Flags().GetString("config")
			if err != nil {
				return err
			}
			c, _ := config.Load(file) // where the watch answers is known all the same
			limited, cancel := context.WithTimeout(cmd.Context(), answerWait)
			defer cancel()
			var until time.Time
			if err := control.Ask(limited, c.WatchSocket(), askSnooze, snoozing{int64(length / time.Second), reason}, &until); err != nil {
				if errors.Is(err, control.ErrNotRunning) {
					return withHint(errors.New("auditbridge watch is not running"), "systemctl status auditbridge-watch")
				}
				return err
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "not repeated on terminals until %s\n", until.Format(time.RFC3339))
			return err
		},
	}
	cmd.Flags().DurationVar(&length, "for", 30*time.Minute, "for how long, at most 24h; 0s ends it")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}

func newClearBannerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clear",
		Short: "Take away everything the watch left for logins and shells, when it is to be removed",
		Long: `For the removal of the program: while a watch runs, it takes its messages away itself as soon as auditing works, and
leaves them again when it does not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := cmd.Flags().GetString("config")
			if err != nil {
				return err
			}
			c, _ := config.Load(file)
			limited, cancel := context.WithTimeout(cmd.Context(), answerWait)
			defer cancel()
			if who, err := control.Who(limited, c.WatchSocket()); err == nil {
				return withHint(fmt.Errorf("auditbridge watch (pid %d) is running", who.PID), "systemctl disable --now auditbridge-watch")
			}
			s := c.Watch()
			s.Places.Root = watchRoot
			if err := s.Places.Remove(); err != nil {
				return err
			}
			if err := watch.Forget(c.RunDir); err != nil && !errors.Is(err, fs.ErrNotExist) {
				return err
			}
			return nil
		},
	}
}
