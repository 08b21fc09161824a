package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"

	"auditbridge/auditbridge"
	"auditbridge/internal/control"
	"auditbridge/internal/status"
	"auditbridge/journal"

	"github.com/spf13/cobra"
)

// askResume tells run to store again what it hears.
const askResume = "resume"

func newResumeCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "resume",
		Short: "Have run go on recording",
		Long: `Ends a suspension: by an action of [audit] such as space-left-action = "suspend". On a disk that was full or failed, recording
goes on by itself when it can; resume has it tried at once and says why not. That you said so goes on record.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			return question{what: askResume, idle: "start it: it records from its start on"}.order(cmd)
		},
	}
}

func answerResume(j *journal.Journal) control.Handler {
	return func(ctx context.Context, who control.Peer, _ json.RawMessage) (any, error) {
		was := j.Stats().State
		if was == journal.StateOK {
			return nil, errors.New("recording is not suspended: there is nothing to resume")
		}
		n := auditbridge.OwnNote(auditbridge.TypeDaemonResume, "resume", auditbridge.Text("state", was.String()))
		n.Actor = actor(who)
		j.Note(n)
		if err := j.Resume(ctx); err != nil {
			return nil, fmt.Errorf("recording stays %s: %w", status.Recording(was.String()), err)
		}
		return "recording goes on", nil
	}
}
