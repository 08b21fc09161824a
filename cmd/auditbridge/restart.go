package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"auditbridge/config"
	"auditbridge/internal/control"
	"auditbridge/internal/status"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

// restartWait is how long a restart may last: each destination gets its grace
// period, and the journal is opened anew.
const restartWait = 2 * time.Minute

func newRestartCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "restart",
		Short: "Have run replaced by the program that is installed now, without a gap",
		Long: `Has the running process close the journal in order and become the program that is installed now, after an upgrade the new one. It keeps its pid and the kernel's
audit socket: no record is lost, and the kernel sees no other owner. When the new program cannot be run or does not take the configuration, nothing happens.
Either is on record. Returns when the new program answers.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, invalid := config.Load(configFile(cmd)) // where run answers is known all the same
			limited, cancel := context.WithTimeout(cmd.Context(), restartWait)
			defer cancel()
			var before restarting
			q := question{what: askRestart, idle: "start it", refused: "run goes on as it was; put right what is wrong and ask again", invalid: invalid}
			if err := q.put(limited, c, &before); err != nil {
				return err
			}
			after, err := untilRestarted(limited, c.ControlSocket(), before)
			if err != nil {
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(restarting{PID: after.PID, Started: after.Started, Version: after.Version})
			}
			_, err = fmt.Fprintf(cmd.OutOrStdout(), "auditbridge %s runs in process %d\n", after.Version, after.PID)
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print pid, start and version as one JSON object")
	return cmd
}

// untilRestarted waits until the process answers as one that has begun since.
func untilRestarted(ctx context.Context, socket string, before restarting) (now status.Status, err error) {
	for {
		limited, cancel := context.WithTimeout(ctx, answerWait)
		now = status.Status{}
		err := control.Ask(limited, socket, askStatus, nil, &now)
		cancel()
		switch {
		case err == nil && now.Started.After(before.Started):
			return now, nil
		case unix.Kill(before.PID, 0) == unix.ESRCH:
			return now, withHint(fmt.Errorf("process %d ended while it restarted", before.PID), "what it said last is in its log: journalctl -u auditbridge")
		}
		select {
		case <-ctx.Done():
			return now, fmt.Errorf("wait for process %d to restart: %w", before.PID, errors.Join(ctx.Err(), err))
		case <-time.After(50 * time.Millisecond):
		}
	}
}
