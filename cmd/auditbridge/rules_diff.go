package main

import (
	"fmt"

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
			k, host, err := openKernelRules()
			if err != nil {
				return err
			}
			defer k.Close()
			f, err := readRules(cmd.ErrOrStderr(), host, args)
			if err != nil {
				return err
			}
			d, err := compareRules(k, host, f.Desire())
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
