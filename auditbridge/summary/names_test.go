package summary

import (
	"testing"

	"auditbridge/auditbridge/interpret"
)

// people are the users and groups of a host.
type people map[uint32]string

func (p people) AppendUser(dst []byte, _ string, id uint32) ([]byte, bool) {
	return append(dst, p[id]...), p[id] != ""
}

func (p people) AppendGroup(dst []byte, node string, id uint32) ([]byte, bool) {
	return p.AppendUser(dst, node, id)
}

// Ids become names where somebody knows them; what stands in the record goes
// before what the reader knows.
func TestNames(t *testing.T) {
	known := &interpret.Interpreter{Names: people{0: "root", 33: "www-data", 1000: "alice", 1001: `CORP\bob smith`}}
	const call = "type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=105 success=yes exit=0 a0=21 a1=0 auid=1000 uid=1000 euid=0 ses=7 exe=\"/bin/su\" key=(null)"
	const other = "type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=106 success=yes exit=0 a0=21 a1=0 auid=1001 uid=1002 euid=1002 ses=7 exe=\"/bin/su\" key=(null)"
	for _, row := range []struct {
		line string
		in   *interpret.Interpreter
		want string
	}{
		{call, nil, "User 1000 (session 7), as root, became user 33 with /bin/su: success."},
		{call, &interpret.Interpreter{}, "User 1000 (session 7), as root, became user 33 with /bin/su: success."},
		{call, known, "alice (session 7), as root, became www-data with /bin/su: success."},
		{call + "\x1dAUID=\"carol\" UID=\"carol\" EUID=\"admin\"", known, "carol (session 7), as admin, became www-data with /bin/su: success."},
		{call + "\x1dAUID=\"unset\"", nil, "unset (session 7), as root, became user 33 with /bin/su: success."},
		{other, known, `"CORP\\bob smith" (session 7), as user 1002, took on group www-data with /bin/su: success.`},
		{other, nil, `User 1001 (session 7), as user 1002, took on group 33 with /bin/su: success.`},
	} {
		if got := sentences([]byte(row.line), row.in); len(got) != 1 || got[0] != row.want {
			t.Errorf("%q, want %q", got, row.want)
		}
	}
}
