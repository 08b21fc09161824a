package main

import (
	"context"
	"errors"
	"fmt"

	"auditbridge/banner/watch"
	"auditbridge/config"
	"auditbridge/diskguard"
	"auditbridge/internal/control"

	"github.com/spf13/cobra"
)

func newClearBannerCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "clear",
		Short: "Take away everything the watch left for logins and shells, when it is to be removed",
		Long: `For the removal of the program: while a watch runs, it takes its messages away itself as soon as auditing works, and
leaves them again when it does not. Where run does not run either, whoever is kept from logging in by them may do so again.`,
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
			errs := []error{s.Places.Remove(), watch.Forget(c.RunDir)}
			if _, err := control.Who(limited, c.ControlSocket()); err != nil { // else run may have its reasons
				errs = append(errs, diskguard.AllowLogins(watchRoot+noLogin))
			}
			return errors.Join(errs...)
		},
	}
}
