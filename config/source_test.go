package config

import (
	"strings"
	"testing"
)

// Where records can come from, and what is said of a slip of the pen.
func TestSource(t *testing.T) {
	for _, row := range []struct{ source, want string }{
		{"kernel", ""},
		{"plugin", ""},
		{"unix:/run/audit/audispd_events", ""},
		{"file:/var/log/audit/audit.log", ""},
		{"file:", "error: a.toml:2:1: audit.source: \"\" is not an absolute path\n  hint: such as \"file:/var/log/audit/audit.log\"\n"},
		{"unix:events", "error: a.toml:2:1: audit.source: \"events\" is not an absolute path\n  hint: such as \"unix:/run/audit/audispd_events\"\n"},
		{"unix", "error: a.toml:2:1: audit.source: \"unix\" is none of: kernel multicast plugin unix:/path file:/path\n  hint: nearest value: \"unix:/run/audit/audispd_events\"\n"},
		{"fil:/var/log/audit.log", "error: a.toml:2:1: audit.source: \"fil:/var/log/audit.log\" is none of: kernel multicast plugin unix:/path file:/path\n  hint: nearest value: \"file:/var/log/audit.log\"\n"},
		{"plugins", "error: a.toml:2:1: audit.source: \"plugins\" is none of: kernel multicast plugin unix:/path file:/path\n  hint: nearest value: \"plugin\"\n"},
		{"journald", "error: a.toml:2:1: audit.source: \"journald\" is none of: kernel multicast plugin unix:/path file:/path\n"},
	} {
		got := tell([]source{{"a.toml", []byte("[audit]\nsource = \"" + row.source + "\"\n")}}, nil)
		if got, _, _ = strings.Cut(got, "warning: "); got != row.want {
			t.Errorf("%s:\n%swant\n%s", row.source, got, row.want)
		}
	}
}
