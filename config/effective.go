package config

import (
	"strconv"
	"strings"
)

// Value is one line of `auditbridge check -v`.
type Value struct {
	Key     string `json:"key"`
	Value   string `json:"value"`             // as TOML
	Default string `json:"default,omitempty"` // "" where there is none
	Origin  string `json:"origin"`            // file:line:column, or in words
}

// Effective lists every key with the value in force, its default and where it
// was set, and then what stands in the files that it names.
func (c *Config) Effective() []Value {
	var all []Value
	for _, l := range leaves(&c.Settings) {
		v := Value{Key: c.named(l.path), Value: l.text(), Default: l.tag.Get("default"), Origin: "default"}
		if from, known := c.origins[l.path]; known {
			v.Origin = from.String()
		}
		all = append(all, v)
	}
	return append(all, c.heldValues()...)
}

func (o origin) String() string {
	switch {
	case o.why == "":
		return o.at.String()
	case o.at.File == "":
		return o.why
	default:
		return o.why + " (" + o.at.String() + ")"
	}
}

// named puts the name of a server or forwarding where its index stands.
func (c *Config) named(path string) string {
	table, rest, found := strings.Cut(path, "[")
	if !found {
		return path
	}
	index, rest, _ := strings.Cut(rest, "]")
	i, _ := strconv.Atoi(index)
	switch table {
	case "remote-logging-server":
		index = c.Servers[i].Name
	case "port-forwarding":
		index = c.Forwardings[i].Name
	}
	return table + "[" + index + "]" + rest
}
