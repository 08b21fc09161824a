package main

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/spf13/cobra"
)

// A command line makes only the command that it names; of the others nothing may be
// missed.
func TestACommandMadeAloneIsWhatItIsAmongTheOthers(t *testing.T) {
	all := usages(newRootCommand(nil))
	alone := map[string]string{"auditbridge": all["auditbridge"]}
	for _, c := range commands {
		for path, usage := range usages(newRootCommand([]string{c.name, "--help"})) {
			if path != "auditbridge" {
				alone[path] = usage
			}
		}
	}
	if d := cmp.Diff(all, alone); d != "" {
		t.Error(d)
	}
}

// usages is what each command says of itself, by its path.
func usages(cmd *cobra.Command) map[string]string {
	says := map[string]string{cmd.CommandPath(): cmd.Long + cmd.UsageString()}
	for _, sub := range cmd.Commands() {
		for path, usage := range usages(sub) {
			says[path] = usage
		}
	}
	return says
}
