package auditbridge

import "testing"

// How an event went is told in many spellings, and survives what becomes of
// logs when people copy them.
func TestResults(t *testing.T) {
	for _, row := range []struct {
		name, line string
		want       Result
	}{
		{"a system call", "type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=59 success=yes exit=0", Success},
		{"one that failed", "type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=59 success=no exit=-13", Fail},
		{"one that did not return", "type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=60 a0=0", NoResult},
		{"in quotes, as some collectors write", `type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=59 success="yes" exit=0`, Success},
		{"a message", "type=USER_AUTH msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=login res=failed'", Fail},
		{"a message of RHEL 5", "type=USER_AUTH msg=audit(1.000:1): user pid=1 uid=0 auid=1 msg='PAM: auth acct=a : exe=\"/bin/su\" (hostname=?, addr=?, terminal=pts/3 res=success)'", Success},
		{"an enriched message", "type=ADD_USER msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=add-user id=5 res=success'\x1dUID=\"root\"", Success},
		{"one whose separator was lost", "type=ADD_USER msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=add-user id=5 res=success'UID=\"root\"", Success},
		{"one that failed and lost it", "type=ADD_USER msg=audit(1.000:1): pid=1 uid=0 auid=1 ses=1 msg='op=add-user id=5 res=failed'UID=\"root\"", Fail},
		{"a kernel record", "type=CONFIG_CHANGE msg=audit(1.000:1): auid=1 ses=1 op=add_rule list=4 res=1", Success},
		{"one whose separator was lost", "type=CONFIG_CHANGE msg=audit(1.000:1): auid=1 ses=1 op=add_rule list=4 res=0AUID=\"a\"", Fail},
		{"a word that only begins like one", "type=USER_AUTH msg=audit(1.000:1): pid=1 msg='op=login res=successor'", NoResult},
	} {
		r := NewReassembler(Limits{})
		emit := func(e *Event) {
			if v := Classify(e); v.Result != row.want {
				t.Errorf("%s: %q, want %q", row.name, v.Result, row.want)
			}
		}
		r.Push(1, []byte(row.line), emit)
		r.Flush(emit)
	}
}
