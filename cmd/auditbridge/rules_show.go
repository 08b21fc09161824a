package main

import (
	"slices"
	"strings"

	"auditbridge/rules"

	"github.com/spf13/cobra"
)

func newRulesShowCommand() *cobra.Command {
	var asJSON bool
	var key string
	cmd := &cobra.Command{
		Use:   "show",
		Short: "List the kernel's rules in auditctl's words",
		Long: `show lists what the kernel has, in its order: the first rule that matches decides.
What it prints is a rule file that loads the same again.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			host, err := rulesHost()
			if err != nil {
				return err
			}
			k, err := openKernelRules()
			if err != nil {
				return err
			}
			defer k.Close()
			loaded, err := k.List()
			if err != nil {
				return refusedRules(err)
			}
			if key != "" {
				loaded = slices.DeleteFunc(loaded, func(r rules.Rule) bool { return !slices.Contains(r.Keys(), key) })
			}
			if asJSON {
				return writeIndented(cmd.OutOrStdout(), describeRules(host, loaded))
			}
			var text strings.Builder
			for _, r := range loaded {
				text.WriteString(host.Show(r) + "\n")
			}
			return writeLines(cmd.OutOrStdout(), text.String())
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array of rules")
	cmd.Flags().StringVarP(&key, "key", "k", "", "only rules with this `KEY`")
	return cmd
}

// shownRule is one element of `rules show --json`.
type shownRule struct {
	List   string   `json:"list"`
	Action string   `json:"action"`
	Keys   []string `json:"keys"`
	Rule   string   `json:"rule"`
}

func describeRules(host *rules.Host, loaded []rules.Rule) []shownRule {
	all := []shownRule{}
	for _, r := range loaded {
		all = append(all, shownRule{r.List.String(), r.Action.String(), append([]string{}, r.Keys()...), host.Show(r)})
	}
	return all
}
