package main

import (
	"errors"
	"fmt"
	"os"
	"os/signal"
	"syscall"

	"auditbridge/forward"

	"github.com/spf13/cobra"
	"golang.org/x/sys/unix"
)

func newShipCommand() *cobra.Command {
	return &cobra.Command{
		Use:    "ship",
		Short:  "Send records; started by run, as an unprivileged user",
		Hidden: true, // nobody types it
		Args:   cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			if kind, err := unix.GetsockoptInt(shipConn, unix.SOL_SOCKET, unix.SO_TYPE); err != nil || kind != unix.SOCK_STREAM {
				return withHint(errors.New("there is no run at the other end"), "ship is started by `auditbridge run`")
			}
			unix.CloseOnExec(shipConn)
			if err := unix.SetNonblock(shipConn, true); err != nil {
				return fmt.Errorf("take up the line to run: %w", err)
			}
			if err := renounce(); err != nil {
				return err
			}
			// A terminal's Ctrl-C or end and systemd's SIGTERM reach us too: it is
			// run that says when there is nothing more to send.
			signal.Ignore(syscall.SIGINT, syscall.SIGTERM, syscall.SIGHUP)
			// One os.File only: a second would close the descriptor when collected.
			line := os.NewFile(shipConn, "run")
			log := newLogger(cmd.ErrOrStderr())
			return forward.Ship(cmd.Context(), line, func(n forward.Needs) error { return confine(n, log) }, log)
		},
	}
}

// renounce makes sure that nothing started from here can gain what we do not
// have, and that the destination keys in our memory end up in no core file. The
// first is a thread's property: we came with it, so every thread has it. The
// second is the whole process's.
func renounce() error {
	if set, err := unix.PrctlRetInt(unix.PR_GET_NO_NEW_PRIVS, 0, 0, 0, 0); err != nil || set != 1 {
		return withHint(errors.New("new privileges are not renounced"), "ship is started by `auditbridge run`")
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}
