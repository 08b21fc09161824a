package rules

import (
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// sameCalls has cmp compare calls as what they are: one word.
var sameCalls = cmpopts.EquateComparable(Calls{})

// testHost is an x86_64 machine with the users root and mail, where only paths
// that end in .d, and /etc, are directories.
func testHost() *Host {
	ids := func(name string) (uint32, error) {
		id, ok := map[string]uint32{"root": 0, "mail": 8, "chrony": 120, "sshd": 121, "ntp": 122}[name]
		if !ok {
			return 0, fmt.Errorf("no %s", name)
		}
		return id, nil
	}
	return &Host{Arch: 0xC000003E, User: ids, Group: ids, IsDir: func(path string) bool {
		return path == "/etc" || strings.HasSuffix(path, ".d")
	}}
}

// showsAndReadsBack fails when what is shown of a rule is not read as that rule.
func showsAndReadsBack(t *testing.T, host *Host, r Rule) {
	t.Helper()
	r = r.Listed()
	shown := host.Show(r)
	f, err := Parse("shown", shown, host)
	if err != nil || len(f.Statements) != 1 {
		t.Errorf("%s\nis shown, and not read: %v", shown, err)
		return
	}
	if diff := cmp.Diff(r, f.Statements[0].Rule.Listed(), sameCalls); diff != "" {
		t.Errorf("%s\nis read otherwise: %s", shown, diff)
	}
}
