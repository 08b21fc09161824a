package main

import (
	"context"
	"encoding/json"
	"fmt"
	"time"

	"auditbridge/config"

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
			c, invalid := config.Load(configFile(cmd)) // where run answers is known all the same
			limited, cancel := context.WithTimeout(cmd.Context(), reloadWait)
			defer cancel()
			var changes []config.Change
			q := question{what: askReload, idle: "start it: it reads the configuration then", invalid: invalid}
			if err := q.put(limited, c, &changes); err != nil {
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
