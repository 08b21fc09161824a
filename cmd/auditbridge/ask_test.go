package main

import (
	"strings"
	"testing"
)

// What an administrator has to say to run does not wait for a configuration that
// is valid: where run answers is known all the same.
func TestRunIsAskedWhateverIsWrongWithTheConfiguration(t *testing.T) {
	t.Parallel()
	d := newDaemon(t, "[audit]\nsource = \"plugin\"\n")
	d.start()
	d.configure("[audit]\nsource = \"plugin\"\nmax-size = \"much\"\n")
	for command, want := range map[string]string{
		"resume":        "recording is not suspended",
		"confirm-clock": "",
		"reload":        "max-size",
		"restart":       "max-size",
	} {
		_, stderr, code := auditbridgeCommand(t, command, "--config", d.config)
		if want != "" && code == 0 || !strings.Contains(stderr, want) || want == "" && strings.Contains(stderr, "max-size") {
			t.Errorf("%s: exit %d, %s", command, code, stderr)
		}
	}
}
