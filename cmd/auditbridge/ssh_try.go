package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"syscall"

	"auditbridge/config"
	"auditbridge/forward/tunnel"
	"auditbridge/internal/terminal"

	"github.com/spf13/cobra"
)

// triedStep is a line of `ssh test --json` and `remote test --json`.
type triedStep struct {
	Step  string `json:"step"`
	OK    bool   `json:"ok"`
	Said  string `json:"said,omitempty"`
	Error string `json:"error,omitempty"`
	Hint  string `json:"hint,omitempty"`
}

func newSSHTestCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "test [FORWARDING]",
		Short: "Go the way through a forwarding step by step, and say which fails and why",
		Long: `Takes the steps that sending takes, as the user that sends: our key, the server's key, the connection, the login, a channel to each
destination. Then it tries what the account there should refuse: to run a command, to forward elsewhere, to listen. An account that
is good for more than the one port is a failure, too.
Exit status: 0 all is as it should be, 1 not.`,
		Args: cobra.MaximumNArgs(1),
	}
	asJSON := cmd.Flags().Bool("json", false, "print a JSON object for each step")
	cmd.RunE = func(cmd *cobra.Command, args []string) error {
		f, err := chosenForwarding(cmd, args)
		if err != nil {
			return err
		}
		if err := becomeSender(f.config); err != nil {
			return err
		}
		say := func(s tunnel.Step) { tried(s.Name, s.Said, s.Err).say(cmd.OutOrStdout(), *asJSON) }
		if err := f.tunnel.Try(cmd.Context(), f.remotes, say); err != nil {
			return exitStatus(1)
		}
		return nil
	}
	return cmd
}

func tried(name, said string, err error) triedStep {
	t := triedStep{Step: name, OK: err == nil, Said: said}
	if err != nil {
		t.Error = err.Error()
	}
	var advised interface{ Hint() string }
	if errors.As(err, &advised) {
		t.Hint = advised.Hint()
	}
	return t
}

func (t triedStep) say(out io.Writer, asJSON bool) {
	switch {
	case asJSON:
		json.NewEncoder(out).Encode(t)
	case !t.OK:
		fmt.Fprintf(out, "FAILED  %s: %s\n", t.Step, terminal.Safe(t.Error))
		if t.Hint != "" {
			fmt.Fprintf(out, "        hint: %s\n", terminal.Safe(t.Hint))
		}
	case t.Said != "":
		fmt.Fprintf(out, "ok      %s: %s\n", t.Step, terminal.Safe(t.Said))
	default:
		fmt.Fprintf(out, "ok      %s\n", t.Step)
	}
}

// becomeSender gives root up for the user that sends: what that one may not read is
// what is to be found out.
func becomeSender(c *config.Config) error {
	if os.Geteuid() != 0 {
		return nil
	}
	who, err := shipCredential(c)
	if err != nil {
		return err
	}
	groups := make([]int, len(who.Groups))
	for i, g := range who.Groups {
		groups[i] = int(g)
	}
	if err := errors.Join(syscall.Setgroups(groups), syscall.Setgid(int(who.GID)), syscall.Setuid(int(who.UID))); err != nil {
		return fmt.Errorf("become %s: %w", c.ShipUser, err)
	}
	return nil
}
