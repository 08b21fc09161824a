package main

import (
	"context"
	"fmt"

	"auditbridge/banner/watch"
	"auditbridge/config"
	"auditbridge/internal/control"

	"github.com/spf13/cobra"
)

func newClearBannerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clear",
		Short: "Take away everything the watch left for logins and shells, when it is to be removed",
		Long: `For the removal of the program: while a watch runs, it takes its messages away itself as soon as auditing works, and
leaves them again when it does not.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			c, _ := config.Load(configFile(cmd))
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
			return watch.Forget(c.RunDir)
		},
	}
}
