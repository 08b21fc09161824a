package main

import (
	"context"
	"encoding/json"
	"fmt"
	"log/slog"
	"os"
	"strings"
	"time"

	"auditbridge/banner"
	"auditbridge/banner/watch"
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

// noLogin keeps everybody but root from logging in, nologin(5).
const noLogin = "/run/nologin"

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
			log := newLogger(cmd.ErrOrStderr())
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			return watchOver(ctx, configFile(cmd), log)
		},
	}
	cmd.AddCommand(newSnoozeCommand(), newClearBannerCommand())
	return cmd
}

// askWatchReport is how `auditbridge status` asks the watch while run is not there.
const askWatchReport = "report"

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
	var w *watch.Watcher
	failure := diskguard.NewFailure(settings.failure, diskguard.Means{
		StateDir: settings.stateDir, Logger: log, NoLogin: watchRoot + noLogin,
		Tell: func(text string) { tellBeforeTheEnd(text, settings.last.Exclude) },
		Decided: func(now time.Time, action diskguard.Action, because, reason string) {
			w.Decided(now, string(action), because, reason)
		},
	})
	defer failure.Close()
	w = watch.New(watch.Config{
		Failing: func(ctx context.Context, now, since time.Time, why string) {
			failure.Reconfigure(settings.failure)
			failure.See(ctx, now, since, why)
		},
		Settings: settings.read, Program: ownProgram(), Root: watchRoot, Logger: log,
		Stopping: hostStops, Unit: unitNow,
		Looked: func() { say(systemd.SdNotifyWatchdog) },
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

// openToAll makes a directory in which everybody may look up a name: shells read
// the banner there, and other programs find the sockets of entrances. What is not for everybody has a mode that says so.
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

// tellBeforeTheEnd reaches whoever is there when the host goes down.
func tellBeforeTheEnd(text string, exclude []banner.Exclusion) {
	diskguard.TellConsole(text)
	(&banner.Teller{Root: watchRoot, Exclude: exclude}).Tell(text)
}
