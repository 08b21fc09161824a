package rules

import (
	"fmt"
	"strings"
	"time"
)

// LoadedFile is where `rules load` leaves, in state-dir, what it has loaded: a
// rule file, against which run compares the kernel from then on.
const LoadedFile = "loaded.rules"

// Record writes down what the kernel was made to have: all but the rules that were
// passed over. It may do so while Load works.
func (d *Desired) Record(host *Host, passed []Problem, at time.Time) string {
	var b strings.Builder
	fmt.Fprintf(&b, "# What auditbridge rules load has loaded, %s. run compares the kernel with it; it is written anew by every load.\n", at.UTC().Format(time.RFC3339))
	skipped := map[Position]bool{}
	for _, p := range passed {
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
	for i := range d.Rules {
		if l := &d.Rules[i]; !skipped[l.From] {
			host.showRule(&b, &l.Rule)
			b.WriteByte('\n')
		}
	}
	return b.String()
}
