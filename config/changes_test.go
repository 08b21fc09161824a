package config

import (
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestChangesAreToldKeyByKey(t *testing.T) {
	before := []Value{{Key: "node", Value: `"a"`}, {Key: "flush", Value: `"group"`}, {Key: "remote-logging-server[old].port", Value: "1"}}
	now := []Value{{Key: "node", Value: `"a"`, Origin: "default"}, {Key: "flush", Value: `"data"`, Origin: "x.toml:1:1"}, {Key: "remote-logging-server[new].port", Value: "2", Origin: "x.toml:2:1"}}
	want := []Change{
		{Key: "flush", Old: `"group"`, New: `"data"`, Origin: "x.toml:1:1"},
		{Key: "remote-logging-server[new].port", New: "2", Origin: "x.toml:2:1"},
		{Key: "remote-logging-server[old].port", Old: "1"},
	}
	got := Changes(before, now)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
	if !got[0].NeedsRestart() || got[1].NeedsRestart() {
		t.Error("flush takes a restart, a new server does not")
	}
	if more := Changes(now, now); more != nil {
		t.Errorf("changes between the same: %v", more)
	}
}

// Every key that takes a restart exists.
func TestFixedKeysExist(t *testing.T) {
	known := map[string]bool{}
	for _, l := range leaves(&Settings{}) {
		known[l.path] = true
	}
	for _, key := range fixed {
		if !known[key] {
			t.Errorf("%s is no key", key)
		}
	}
}
