package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"strconv"
	"time"

	"auditbridge/config"
	"auditbridge/internal/control"
	"auditbridge/internal/durable"
	"auditbridge/internal/status"

	"github.com/spf13/cobra"
)

// askStatus is what `auditbridge status` asks run for; the answer is a judged
// status.Status.
const askStatus = "status"

func newStatusCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "status",
		Short: "Say whether auditing works, and whether records are being lost",
		Long: "status asks the running process; when there is none, or it does not answer, it reads\n" +
			"the journal itself and says what is known.\n" +
			"Exit status: 0 OK, 1 degraded, 3 not running, 4 impaired; 2 when it cannot tell.",
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, loadErr := config.Load(configFile(cmd))
			if onlyMissing(loadErr) && cmd.Flags().Changed("config") {
				return cannotTell{loadErr}
			}
			if loadErr != nil && !onlyMissing(loadErr) {
				fmt.Fprintln(cmd.ErrOrStderr(), "auditbridge: the configuration is not valid, see `auditbridge check`; what it says of paths is used as far as it goes")
			}
			s, err := currentStatus(cmd.Context(), c)
			if err != nil {
				return err
			}
			write := status.WriteText
			if asJSON {
				write = func(w io.Writer, s *status.Status) error { return writeIndented(w, s) }
			}
			if err := write(cmd.OutOrStdout(), s); err != nil {
				return err
			}
			if code := s.ExitCode(); code != 0 {
				return exitStatus(code)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// currentStatus is run's own answer, else what can be read without it.
func currentStatus(ctx context.Context, c *config.Config) (*status.Status, error) {
	limited, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	var s status.Status
	err := control.Ask(limited, c.ControlSocket(), askStatus, nil, &s)
	var unsafe *durable.PathError
	var foreign *control.ForeignError
	switch {
	case errors.As(err, &unsafe):
		return nil, cannotTell{err}
	case errors.As(err, &foreign):
		return nil, withHint(cannotTell{err}, "find out what it is: ps -fp "+strconv.Itoa(foreign.PID))
	case err == nil:
		return &s, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, withHint(cannotTell{err}, "only root and the user auditbridge runs as may ask: use sudo")
	case ctx.Err() != nil:
		return nil, ctx.Err()
	}
	silent, err := statusFromFiles(c, !errors.Is(err, control.ErrNotRunning))
	if err != nil {
		return nil, cannotTell{err}
	}
	if !silent.Running && (c.Audit.Source == "kernel" || c.Audit.Source == "multicast") {
		fillOwner(limited, silent)
	}
	askWatch(limited, c, silent)
	now := time.Now()
	silent.Time = now
	status.Judge(silent, nil, now)
	return silent, nil
}

// cannotTell is why the state is not known. Its exit status is none of those
// that mean a state.
type cannotTell struct{ error }

func (c cannotTell) Unwrap() error { return c.error }
func (c cannotTell) ExitCode() int { return 2 }

// answerStatus is run's side: how it answers askStatus.
func answerStatus(t *status.Tracker) control.Handler {
	return func(context.Context, control.Peer, json.RawMessage) (any, error) {
		s := t.Now()
		s.Running, s.Answering = true, true
		return s, nil
	}
}
