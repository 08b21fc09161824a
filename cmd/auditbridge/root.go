package main

import (
	"strings"

	"auditbridge/config"

	"github.com/spf13/cobra"
)

// commands makes the subcommands.
var commands = []struct {
	name string
	make func() *cobra.Command
}{
	{"run", newRunCommand},
	{"ship", newShipCommand},
	{"deputy", newDeputyCommand},
	{"check", newCheckCommand},
	{"status", newStatusCommand},
	{"reload", newReloadCommand},
	{"resume", newResumeCommand},
	{"restart", newRestartCommand},
	{"watch", newWatchCommand},
	{"confirm-clock", newConfirmClockCommand},
	{"remote", newRemoteCommand},
	{"ssh", newSSHCommand},
	{"csr", newCSRCommand},
	{"verify", newVerifyCommand},
	{"dump", newDumpCommand},
	{"read", newReadCommand},
	{"rules", newRulesCommand},
	{"report", newReportCommand},
	{"demo", newDemoCommand},
	{"version", newVersionCommand},
}

// newRootCommand puts the subcommands together that a command line can mean: of them
// all, one may cost more to make than another to run. Each is built anew, so that a
// test may run the whole program twice in one process.
func newRootCommand(args []string) *cobra.Command {
	root := &cobra.Command{
		Use:           "auditbridge",
		Short:         "Linux audit bridge and secure remote audit shipper",
		Long:          "auditbridge hears the kernel's audit records, keeps them in a sealed local log\nand ships them to remote-logging servers through an SSH tunnel.",
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE:          func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	root.Version = thisBuild().Version // makes the flag --version
	root.SetVersionTemplate(thisBuild().text())
	root.PersistentFlags().String("config", config.DefaultFile, "configuration `FILE`; conf.d/*.toml beside it is read too")
	root.SetFlagErrorFunc(func(cmd *cobra.Command, err error) error {
		return &usageError{err, cmd.CommandPath()}
	})
	only := meant(args)
	for _, c := range commands {
		if only == "" || only == c.name {
			root.AddCommand(c.make())
		}
	}
	checkArgs(root)
	return root
}

// meant is the subcommand that a command line begins with, "" when it is none, and may
// be about any.
func meant(args []string) string {
	for _, c := range commands {
		if len(args) > 0 && args[0] == c.name {
			return c.name
		}
	}
	return ""
}

// checkArgs makes a wrong number of arguments a usage error, as a wrong flag is.
func checkArgs(cmd *cobra.Command) {
	for _, sub := range cmd.Commands() {
		checkArgs(sub)
	}
	args := cmd.Args
	if args == nil {
		return
	}
	cmd.Args = func(cmd *cobra.Command, given []string) error {
		if err := args(cmd, given); err != nil {
			return &usageError{err, cmd.CommandPath()}
		}
		return nil
	}
}

// usageError is a command line that cannot be understood. It exits 2.
type usageError struct {
	err     error
	command string
}

func (e *usageError) Error() string { return e.err.Error() }
func (e *usageError) Unwrap() error { return e.err }
func (e *usageError) ExitCode() int { return 2 }
func (e *usageError) Hint() string  { return "see `" + e.command + " --help`" }

// exitStatus ends the program with a status and nothing more to say: the
// command has printed its answer already.
type exitStatus int

func (e exitStatus) Error() string { return "" }
func (e exitStatus) ExitCode() int { return int(e) }

// hint is an error together with what the user can do about it.
type hint struct {
	error
	advice []string
}

func withHint(err error, advice ...string) error { return &hint{err, advice} }

func (h *hint) Unwrap() error { return h.error }
func (h *hint) Hint() string  { return strings.Join(h.advice, "\n") }
