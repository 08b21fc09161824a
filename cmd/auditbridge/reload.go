package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"auditbridge/config"
	"auditbridge/internal/control"

	"github.com/spf13/cobra"
)

// reloadWait is how long taking over may last: a relay that leaves gets its
// grace period.
const reloadWait = time.Minute

func newReloadCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "reload",
		Short: "Have run take over a changed configuration",
		Long: `Has the running process read its configuration anew and take over what has changed: all of it or, when anything is wrong, nothing. Destinations that stay
the same are not touched. Prints what has changed, key by key; it is on record.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			file, err := cmd.Flags().GetString("config")
			if err != nil {
				return err
			}
			c, invalid := config.Load(file) // where run answers is known all the same
			limited, cancel := context.WithTimeout(cmd.Context(), reloadWait)
			defer cancel()
			var changes []config.Change
			if err := control.Ask(limited, c.ControlSocket(), askReload, nil, &changes); err != nil {
				switch {
				case errors.Is(err, control.ErrNotRunning):
					return withHint(err, "start it: it reads the configuration then")
				case invalid != nil:
					return invalid // says where and why more fully than run's refusal, which is on record
				}
				return err
			}
			if asJSON {
				return json.NewEncoder(cmd.OutOrStdout()).Encode(changes)
			}
			if len(changes) == 0 {
				fmt.Fprintln(cmd.OutOrStdout(), "nothing has changed")
			}
			for _, change := range changes {
				fmt.Fprintf(cmd.OutOrStdout(), "%s: %s -> %s\n", change.Key, orNone(change.Old), orNone(change.New))
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print the changes as one JSON list")
	return cmd
}

func orNone(value string) string {
	if value == "" {
		return "(none)"
	}
	return value
}
