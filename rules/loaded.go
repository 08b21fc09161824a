package rules

import (
	"fmt"
	"strings"
	"time"
)

// LoadedFile is where `rules load` leaves, in state-dir, what it has loaded: a
// rule file, against which run compares the kernel from then on.
const LoadedFile = "loaded.rules"

// Record writes down what the kernel was made to have. Rules that were passed
// over are not in it.
func (d *Desired) Record(host *Host, done *Loaded, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What auditbridge rules load has loaded, %s. run compares the kernel with it; it is written anew by every load.\n", at.UTC().Format(time.RFC3339))
	skipped := map[Position]bool{}
	for _, p := range done.Skipped {
		skipped[p.At] = true
	}
	for i, value := range d.Settings {
		if value == nil || Setting(i) == Enabled { // whether audit is on is watched elsewhere
			continue
		}
		if Setting(i) == LoginUIDImmutable {
			fmt.Fprintln(&b, settingOptions[i])
			continue
		}
		fmt.Fprintf(&b, "%s %d\n", settingOptions[i], *value)
	}
	for _, l := range d.Rules {
		if !skipped[l.From] {
			fmt.Fprintln(&b, host.Show(l.Rule))
		}
	}
	return b.String()
}
