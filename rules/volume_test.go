package rules

import (
	"fmt"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestVolumeIsWhatTheLogHasOfEachKey, a day.
func TestVolumeIsWhatTheLogHasOfEachKey(t *testing.T) {
	var v Volume
	for i := range 4 {
		for _, line := range []string{
			fmt.Sprintf(`type=SYSCALL msg=audit(%d.000:%d): arch=c000003e syscall=2 success=no exit=-13 comm="x" key="access"`, 1000000+i*43200, 2*i),
			fmt.Sprintf(`type=PATH msg=audit(%d.000:%d): item=0 name="key" key="access"`, 1000000+i*43200, 2*i),
			fmt.Sprintf(`type=SYSCALL msg=audit(%d.000:%d): arch=c000003e syscall=2 success=no exit=-13 comm="x" key=(null)`, 1000000+i*43200, 2*i+1),
		} {
			v.Count([]byte(line))
		}
	}
	v.Count([]byte(`type=SYSCALL msg=audit(1043200.000:9): arch=c000003e syscall=2 comm="x" key=6101616363657373`)) // two keys: a, access
	v.Count([]byte(`type=DAEMON_CONFIG msg=audit(9.000:4278190080): op=x res=success`))
	v.Count([]byte(`nonsense`))
	got := v.Of(desire(t, "-a always,exit -S open -k access", "-a always,exit -S openat -k access", "-w /etc/passwd -p wa -k identity", "-a always,exit -S close"))
	want := []KeyVolume{{Key: "access", Rules: 2, Events: 5, PerDay: 5 / 1.5}, {Key: "identity", Rules: 1}}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	short := Volume{From: v.From, To: v.From}
	if got := short.Of(desire(t, "-w /etc/passwd -p wa -k identity")); got != nil {
		t.Errorf("of a log of a moment: %v", got)
	}
}
