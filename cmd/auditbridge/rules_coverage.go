package main

import (
	"fmt"
	"io"
	"slices"
	"strings"
	"text/tabwriter"

	"auditbridge/internal/terminal"
	"auditbridge/rules"

	"github.com/spf13/cobra"
)

func newRulesCoverageCommand() *cobra.Command {
	var profile string
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "coverage [FILE|DIRECTORY]...",
		Short: "Say which rule audits each event that a host must notice",
		Long: `coverage asks rule files, of each event that the profiles are for, which rule
audits it: the first that matches. What the kernel and programs report by
themselves needs none. With --profile only the events that the profile must have
count.
Exit status: 0 all are audited, 1 not, 2 the files are not valid.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := rulesHost()
			if err != nil {
				return err
			}
			if profile != "" {
				if _, err := findProfile(profile); err != nil {
					return err
				}
			}
			f, err := readRules(cmd.ErrOrStderr(), host, cmd, args)
			if err != nil {
				return err
			}
			events := rules.RequiredEvents(host)
			events = slices.DeleteFunc(events, func(e rules.RequiredEvent) bool {
				return len(e.Profiles) == 0 || profile != "" && !slices.Contains(e.Profiles, profile)
			})
			covered := f.Desire().Cover(events)
			if asJSON {
				err = writeIndented(cmd.OutOrStdout(), describeCoverage(covered))
			} else {
				err = writeCoverage(cmd.OutOrStdout(), covered)
			}
			if err == nil && slices.ContainsFunc(covered, func(c rules.Coverage) bool { return !c.Caught() }) {
				err = exitStatus(1)
			}
			return err
		},
	}
	cmd.Flags().StringVar(&profile, "profile", "", "only what this `PROFILE` must have")
	cmd.Flags().BoolVar(&asJSON, "json", false, "print a JSON array")
	return cmd
}

// coveredEvent is one element of `rules coverage --json`.
type coveredEvent struct {
	Event    string          `json:"event"`
	What     string          `json:"what"`
	Profiles []string        `json:"profiles"`
	Audited  bool            `json:"audited"`
	Record   string          `json:"record,omitempty"` // that needs no rule
	Keys     []string        `json:"keys,omitempty"`
	Rule     *rules.Position `json:"rule,omitempty"`
}

func describeCoverage(covered []rules.Coverage) []coveredEvent {
	all := []coveredEvent{}
	for _, c := range covered {
		e := coveredEvent{Event: c.Event.Name, What: c.Event.What, Profiles: c.Event.Profiles, Audited: c.Caught()}
		if c.Event.Sample.Call == "" {
			e.Record = c.Event.Sample.Type.String()
		}
		if c.Rule != nil {
			e.Keys, e.Rule = c.Rule.Rule.Keys(), &c.Rule.From
		}
		all = append(all, e)
	}
	return all
}

func writeCoverage(w io.Writer, covered []rules.Coverage) error {
	t, missing := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0), 0
	fmt.Fprintln(t, "EVENT\tREQUIRED BY\tAUDITED BY")
	for _, c := range covered {
		by := "nothing"
		switch {
		case c.Rule != nil:
			by = c.Rule.From.String()
			if keys := c.Rule.Rule.Keys(); len(keys) > 0 {
				by += " key=" + strings.Join(keys, ",")
			}
		case c.Alone:
			by = c.Event.Sample.Type.String() + ", without a rule"
		default:
			missing++
		}
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.Event.What, strings.Join(c.Event.Profiles, " "), terminal.Safe(by))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	_, err := fmt.Fprintf(w, "audited: %d of %s\n", len(covered)-missing, count(len(covered), "event"))
	return err
}
