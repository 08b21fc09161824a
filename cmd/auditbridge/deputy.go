package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"slices"
	"syscall"

	"auditbridge/diskguard"
	"auditbridge/forward/entrance"
	"auditbridge/internal/deputy"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newDeputyCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "deputy",
		Short:  "Do the few things that run forbids itself; started by run",
		Hidden: true, // nobody types it
		Args:   cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			if kind, err := unix.GetsockoptInt(deputy.LineFD, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_SEQPACKET {
				return withHint(errors.New("there is no run at the other end"), "the deputy is started by `auditbridge run`")
			}
			unix.CloseOnExec(deputy.LineFD)
			if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
				return fmt.Errorf("forbid core files: %w", err)
			}
			// What is ignored, rather than heard and not answered, stays so in what
			// is started.
			signal.Notify(make(chan os.Signal, 1), syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			return deputy.Serve(deputy.LineFD, mayBeDone)
		},
	}
}

// shipArgs is how ship is called.
var shipArgs = []string{"auditbridge", "ship"}

// mayBeDone judges what run wants done. Whoever has taken run over gets no more
// from its deputy than that: a program without privileges, the host's halt, and a
// port that only this host can reach.
func mayBeDone(o deputy.Order) error {
	switch {
	case o.Listen != "":
		return entrance.CheckPort(o.Listen)
	case o.Path != "":
		if o.User == nil && len(o.Env) == 0 && len(o.Files) == 0 && o.Path == o.Args[0] && diskguard.IsCommand(o.Args) {
			if _, test := diskguard.Protected(); test {
				return errors.New("process 1 is not asked for anything under test")
			}
			return nil
		}
	case slices.Equal(o.Args, shipArgs):
		if os.Geteuid() != 0 || o.User != nil && o.User.UID != 0 && o.User.GID != 0 && !slices.Contains(o.User.Groups, 0) {
			return nil
		}
		return errors.New("ship is never root, nor of its group")
	}
	return fmt.Errorf("to run %q is not run's business", o.Args)
}
