package main

import (
	"errors"
	"fmt"
	"io"

	"auditbridge/config"
	"auditbridge/rules"

	"github.com/spf13/cobra"
)

func newRulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Make the kernel's audit rules what rule files say",
		Long: `rules takes the place of auditctl and augenrules. The files are theirs: those of
/etc/audit/rules.d (path under [rules] in the configuration) whose names end in .rules,
put together as augenrules does; or the files and directories that are named. They say
all that the kernel shall have: what they do not have is deleted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRulesCheckCommand(), newRulesShowCommand(), newRulesDiffCommand(), newRulesLoadCommand(), newRulesListCommand(), newRulesAddCommand(), newRulesCoverageCommand())
	return cmd
}

// readRules reads the rule files named, or those of this host. Problems are
// printed; what has been understood is returned with an exit status of 2.
func readRules(w io.Writer, host *rules.Host, cmd *cobra.Command, paths []string) (*rules.File, error) {
	f, err := rules.Read(host, orRulesDirectory(func() *config.Config { return ownPlaces(cmd) }, paths)...)
	return f, writeProblems(w, err)
}

// orRulesDirectory is where run, too, looks for rule files, when none are named.
func orRulesDirectory(places func() *config.Config, paths []string) []string {
	if len(paths) == 0 {
		return []string{places().Rules.Path}
	}
	return paths
}

// writeProblems prints what rule files have, and makes them an exit status of 2.
func writeProblems(w io.Writer, err error) error {
	var problems rules.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			writeProblem(w, "error", p)
		}
		fmt.Fprintf(w, "not valid: %s\n", count(len(problems), "problem"))
		return exitStatus(2)
	}
	return err
}

// openKernelRules opens the kernel's audit system, if it answers us.
func openKernelRules() (*rules.Netlink, error) {
	k, err := rules.OpenNetlink()
	if err != nil {
		return nil, err
	}
	if _, err := k.State(); err != nil {
		k.Close()
		return nil, refusedRules(err)
	}
	return k, nil
}
