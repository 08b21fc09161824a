package main

import (
	"os"
	"path/filepath"
	"testing"

	"auditbridge/rules"
)

// TestUsersOfADirectoryAreKnownToRules: who is in no file is looked up by getent,
// and nobody else is.
func TestUsersOfADirectoryAreKnownToRules(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	getent := filepath.Join(dir, "getent")
	must(t, os.WriteFile(getent, []byte(`#!/bin/sh
echo "$@" >>`+dir+`/asked
case "$*" in
"-- passwd alice") echo "alice:x:50001:50000::/:/bin/sh" ;;
"-- group staff@corp") echo "staff@corp:*:50000:alice" ;;
"-- passwd mallory") echo "root:x:0:0::/:/bin/sh" ;;
"-- passwd broken") echo "broken:x:many:" ;;
*) exit 2 ;;
esac
`), 0o700))
	host, err := rules.ThisHost()
	must(t, err)
	alsoByGetent(host, getent)
	f, err := rules.Parse("one", "-a always,exit -S open -F auid=alice -F gid=staff@corp -F uid=root -F euid=7", host)
	must(t, err)
	if shown, want := host.Show(f.Statements[0].Rule), "-a always,exit -S open -F auid=50001 -F gid=50000 -F uid=0 -F euid=7"; shown != want {
		t.Errorf("%s, want %s", shown, want)
	}
	for _, name := range []string{"mallory", "broken", "nobody-is-called-so", "--help"} {
		if _, err := rules.Parse("one", "-a always,exit -S open -F auid="+name, host); err == nil {
			t.Errorf("there is a user %q", name)
		}
	}
	asked, err := os.ReadFile(dir + "/asked")
	must(t, err)
	if want := "-- passwd alice\n-- group staff@corp\n-- passwd mallory\n-- passwd broken\n-- passwd nobody-is-called-so\n"; string(asked) != want+"-- passwd --help\n" && string(asked) != want {
		t.Errorf("getent was asked\n%s", asked)
	}
}
