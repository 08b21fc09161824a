package main

import (
	"context"
	"fmt"

	"auditbridge/config"
	"auditbridge/internal/control"
	"auditbridge/rules"

	"github.com/spf13/cobra"
)

func newRulesDiffCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "diff [FILE|DIRECTORY]...",
		Short: "Compare the kernel's rules with rule files",
		Long: `diff prints what is only in the kernel (-) and what is only in the files (+), in
their order. Rules that do the same are the same, however they are written.
Exit status: 0 equal, 1 not, 2 the files are not valid.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := rulesHost()
			if err != nil {
				return err
			}
			k, err := openKernelRules()
			if err != nil {
				return err
			}
			defer k.Close()
			f, err := readRules(cmd.ErrOrStderr(), host, cmd, args)
			if err != nil {
				return err
			}
			desired := f.Desire()
			desired.Exempt = exemptedRun(cmd.Context(), ownPlaces(cmd))
			d, err := compareRules(k, host, desired)
			if err != nil {
				return err
			}
			if asJSON {
				err = writeIndented(cmd.OutOrStdout(), struct {
					Equal bool `json:"equal"`
					*rules.Difference
				}{d.Equal(), d})
			} else {
				err = writeLines(cmd.OutOrStdout(), d.Text())
			}
			if err == nil && !d.Equal() {
				err = exitStatus(1)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// exemptedRun is the process that may have exempted itself from being audited by
// rules of its own: run, if it is there. Who that is says the kernel, of the socket in
// run-dir, where nobody but root can put himself. Neither what a rule says nor what a
// process is called, or which program it says it runs, makes an exemption ours.
func exemptedRun(ctx context.Context, c *config.Config) []int {
	limited, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	who, err := control.Who(limited, c.ControlSocket())
	if err != nil {
		return nil
	}
	return []int{who.PID}
}

func compareRules(k rules.Kernel, host *rules.Host, desired *rules.Desired) (*rules.Difference, error) {
	loaded, err := k.List()
	if err != nil {
		return nil, refusedRules(err)
	}
	state, err := k.State()
	if err != nil {
		return nil, fmt.Errorf("compare rules: %w", err)
	}
	return rules.Compare(host, loaded, state, desired), nil
}
