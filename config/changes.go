package config

import "slices"

// Change is a key whose value in force is another one than before.
type Change struct {
	Key    string `json:"key"`
	Old    string `json:"old"` // as TOML, as New; "" where there is, or was, no such key
	New    string `json:"new"`
	Origin string `json:"origin,omitempty"` // of New
}

// Changes lists what is different in now, in the order of its keys, then what is
// gone. A key that came or went with its table and says nothing is left out.
func Changes(before, now []Value) (all []Change) {
	const nothing = `""`

	old := map[string]string{}
	for _, v := range before {
		old[v.Key] = v.Value
	}
	here := map[string]bool{}
	for _, v := range now {
		here[v.Key] = true
		if was, had := old[v.Key]; was != v.Value && (had || v.Value != nothing) {
			all = append(all, Change{v.Key, was, v.Value, v.Origin})
		}
	}
	for _, v := range before {
		if !here[v.Key] && v.Value != nothing {
			all = append(all, Change{Key: v.Key, Old: v.Value})
		}
	}
	return all
}

// fixed are the keys whose values run cannot change while it runs: they say
// where things are, who it is, and where records come from.
var fixed = []string{"journal-dir", "state-dir", "run-dir", "ship-user", "log-group", "flush", "overload", "metrics.listen", "audit.source", "audit.record-accounts", "rules.path"}

// NeedsRestart says whether the change only takes effect with a new process.
func (c *Change) NeedsRestart() bool { return slices.Contains(fixed, c.Key) }
