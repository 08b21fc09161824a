package main

import (
	"context"
	"encoding/json"
	"time"

	"auditbridge/internal/control"
	"auditbridge/retention"

	"github.com/spf13/cobra"
)

// askConfirmClock tells run that the wall clock is right.
const askConfirmClock = "confirm-clock"

func newConfirmClockCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "confirm-clock",
		Short: "Say that the clock is right, after a reboot with a jump",
		Long: `After a reboot that leaves the clock more than an hour ahead of when it was last
seen, nothing is dropped for its age until the clock is synchronised (NTP) or
root says with this command that it is right: somebody may have set it ahead to
have the log thrown away. That you said so goes on record.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return question{what: askConfirmClock, idle: "start it first: it is run that keeps the time"}.order(cmd)
		},
	}
}

func answerConfirmClock(k *retention.Keeper) control.Handler {
	return func(_ context.Context, who control.Peer, _ json.RawMessage) (any, error) {
		if err := k.ConfirmClock(actor(who)); err != nil {
			return nil, err
		}
		return "the clock is believed as it is, " + time.Now().Format(time.RFC3339), nil
	}
}
