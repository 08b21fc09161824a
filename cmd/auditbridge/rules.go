package main

import (
	"errors"
	"fmt"
	"io"

	"auditbridge/rules"

	"github.com/spf13/cobra"
)

// rulesDirectory is where augenrules looks, too.
const rulesDirectory = "/etc/audit/rules.d"

func newRulesCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "rules",
		Short: "Make the kernel's audit rules what rule files say",
		Long: `rules takes the place of auditctl and augenrules. The files are theirs: by default
those of ` + rulesDirectory + ` whose names end in .rules, put together as augenrules does;
or the files and directories that are named. They say all that the kernel shall
have: what they do not have is deleted.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newRulesCheckCommand(), newRulesShowCommand(), newRulesDiffCommand(), newRulesLoadCommand(), newRulesListCommand(), newRulesAddCommand(), newRulesCoverageCommand())
	return cmd
}

// readRules reads the rule files named, or those of this host. Problems are
// printed; what has been understood is returned with an exit status of 2.
func readRules(w io.Writer, host *rules.Host, paths []string) (*rules.File, error) {
	if len(paths) == 0 {
		paths = []string{rulesDirectory}
	}
	f, err := rules.Read(host, paths...)
	var problems rules.Problems
	if errors.As(err, &problems) {
		for _, p := range problems {
			writeProblem(w, "error", p)
		}
		fmt.Fprintf(w, "not valid: %s\n", count(len(problems), "problem"))
		return f, exitStatus(2)
	}
	return f, err
}

// openKernelRules opens the kernel's audit system, and says on which host.
func openKernelRules() (*rules.Netlink, *rules.Host, error) {
	host, err := rulesHost()
	if err != nil {
		return nil, nil, err
	}
	k, err := rules.OpenNetlink()
	if err != nil {
		return nil, nil, err
	}
	if _, err := k.State(); err != nil {
		k.Close()
		return nil, nil, refusedRules(err)
	}
	return k, host, nil
}
