package main

import (
	"errors"
	"fmt"

	"auditbridge/config"
	"auditbridge/rules"

	"github.com/spf13/cobra"
)

func newRulesCheckCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "check [FILE|DIRECTORY]...",
		Short: "Say what is wrong with rule files, and what is unwise",
		Long: `check reads rule files as load does and changes nothing. Errors are what auditctl
or the kernel would refuse; warnings are rules that never match, that say less
than they seem to, or that would audit auditbridge itself. Of each key it says how
many events a day the newest 64 MiB of the journal have.
Exit status: 0 valid, 2 not.`,
		RunE: func(cmd *cobra.Command, args []string) error {
			host, err := rulesHost()
			if err != nil {
				return err
			}
			out := cmd.OutOrStdout()
			if asJSON {
				return checkRulesJSON(cmd, host, args)
			}
			f, err := readRules(out, host, cmd, args)
			var status exitStatus
			if err != nil && !errors.As(err, &status) {
				return err
			}
			warnings := rules.Check(host, f, rules.TheseSurroundings(ownDirectories(cmd)...))
			for _, p := range warnings {
				writeProblem(out, "warning", p)
			}
			if err == nil {
				d := f.Desire()
				fmt.Fprintf(out, "valid: %s, %s\n", count(len(d.Rules), "rule"), count(len(warnings), "warning"))
				err = writeVolume(out, logVolume(ownDirectories(cmd)[0]), d)
			}
			return err
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON object")
	return cmd
}

// checkedRules is what `rules check --json` prints.
type checkedRules struct {
	Valid    bool              `json:"valid"`
	Rules    int               `json:"rules"`
	Problems []rules.Problem   `json:"problems"`
	Warnings []rules.Problem   `json:"warnings"`
	Volume   []rules.KeyVolume `json:"volume,omitempty"`
}

func checkRulesJSON(cmd *cobra.Command, host *rules.Host, paths []string) error {
	f, err := rules.Read(host, orRulesDirectory(func() *config.Config { return ownPlaces(cmd) }, paths)...)
	r := checkedRules{Valid: err == nil, Problems: []rules.Problem{}, Warnings: []rules.Problem{}}
	var problems rules.Problems
	if errors.As(err, &problems) {
		r.Problems = problems
	} else if err != nil {
		return err
	}
	d := f.Desire()
	r.Rules, r.Volume = len(d.Rules), logVolume(ownDirectories(cmd)[0]).Of(d)
	r.Warnings = append(r.Warnings, rules.Check(host, f, rules.TheseSurroundings(ownDirectories(cmd)...))...)
	if err := writeIndented(cmd.OutOrStdout(), r); err != nil {
		return err
	}
	if !r.Valid {
		return exitStatus(2)
	}
	return nil
}

// ownDirectories is where auditbridge reads and writes all the time.
func ownDirectories(cmd *cobra.Command) []string {
	c := ownPlaces(cmd)
	return []string{c.JournalDir, c.StateDir, c.RunDir}
}

// ownPlaces is the configuration, of which only the places are wanted: one that is
// not valid says them all the same.
func ownPlaces(cmd *cobra.Command) *config.Config { return config.Places(configFile(cmd)) }
