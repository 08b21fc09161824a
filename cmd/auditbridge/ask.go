package main

import (
	"context"
	"errors"
	"fmt"
	"time"

	"auditbridge/config"
	"auditbridge/internal/control"

	"github.com/spf13/cobra"
)

// answerWait is how long run may take to answer before it counts as hanging.
var answerWait = 3 * time.Second

// question is what a command asks run over the control socket.
type question struct {
	what    string
	idle    string // hint where nobody runs
	refused string // hint where run says no; "" is none
	invalid error  // what is wrong with the configuration that run is to read: it says where and why more fully than run's refusal, which is on record
}

// put asks where run answers by c, as far as c goes.
func (q question) put(ctx context.Context, c *config.Config, answer any) error {
	err := control.Ask(ctx, c.ControlSocket(), q.what, nil, answer)
	switch {
	case err != nil && q.invalid != nil: // also where nobody runs: what cannot be read may name another place
		return q.invalid
	case errors.Is(err, control.ErrNotRunning):
		return withHint(err, q.idle)
	case err != nil && q.refused != "":
		return withHint(err, q.refused)
	}
	return err
}

// order puts a question that is answered in a sentence, and prints that.
func (q question) order(cmd *cobra.Command) error {
	c, _ := config.Load(configFile(cmd)) // where run answers is known all the same
	limited, cancel := context.WithTimeout(cmd.Context(), answerWait)
	defer cancel()
	var said string
	if err := q.put(limited, c, &said); err != nil {
		return err
	}
	_, err := fmt.Fprintln(cmd.OutOrStdout(), said)
	return err
}
