package auditbridge

import (
	"os"
	"testing"
)

// The kernel gives one number for who sent a signal. It is a login user's only
// where the sender does not say that he has none.
func TestWhoSentASignal(t *testing.T) {
	for _, row := range []struct {
		name  string
		login uint32
		known bool
		want  Actor
	}{
		{"somebody who logged in", 1000, true, Actor{AUID: 1000, UID: Unset, Session: Unset, PID: 7}},
		{"systemd", Unset, true, Actor{AUID: Unset, UID: 1000, Session: Unset, PID: 7}},
		{"a process that is gone", 0, false, Actor{AUID: 1000, UID: Unset, Session: Unset, PID: 7}},
	} {
		if got := signalledBy(1000, 7, func(int) (uint32, bool) { return row.login, row.known }); got != row.want {
			t.Errorf("%s: %+v, want %+v", row.name, got, row.want)
		}
	}
	if _, known := loginOf(os.Getpid()); !known {
		t.Error("our own login user is not known")
	}
	if _, known := loginOf(1 << 30); known {
		t.Error("a process that cannot be is known")
	}
}
