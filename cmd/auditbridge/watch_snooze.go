package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"time"

	"auditbridge/banner/watch"
	"auditbridge/config"
	"auditbridge/internal/control"

	"github.com/spf13/cobra"
)

// askSnooze tells the watch to stop repeating itself for a while.
const askSnooze = "snooze"

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
			c, _ := config.Load(configFile(cmd)) // where the watch answers is known all the same
			limited, cancel := context.WithTimeout(cmd.Context(), answerWait)
			defer cancel()
			var until time.Time
			if err := control.Ask(limited, c.WatchSocket(), askSnooze, snoozing{int64(length / time.Second), reason}, &until); err != nil {
				if errors.Is(err, control.ErrNotRunning) {
					return withHint(errors.New("auditbridge watch is not running"), "systemctl status auditbridge-watch")
				}
				return err
			}
			_, err := fmt.Fprintf(cmd.OutOrStdout(), "not repeated on terminals until %s\n", until.Format(time.RFC3339))
			return err
		},
	}
	cmd.Flags().DurationVar(&length, "for", 30*time.Minute, "for how long, at most 24h; 0s ends it")
	cmd.Flags().StringVar(&reason, "reason", "", "why")
	return cmd
}
