package auditbridge

import "testing"

func TestANoteTellsOfAGap(t *testing.T) {
	for _, row := range []struct {
		note Note
		want bool
	}{
		{OwnFailure("gap"), true},
		{OwnFailure("kernel-lost", Number("n", 3)), true},
		{OwnNote(TypeDaemonErr, "serials-late", Number("n", 3)), false},
		{OwnNote(TypeDaemonConfig, "notes-dropped", Number("n", 3)), true},
		{OwnFailure("disk-error", Number("again", 7), Number("lost", 0)), false},
		{OwnFailure("disk-error", Number("again", 7), Number("lost", 1)), true},
		{OwnNote(TypeDaemonConfig, "drop", Number("segments", 2)), false},
		{OwnNote(TypeDaemonConfig, "drop", Text("relay0", "siem"), Number("undelivered0", 9)), true},
		{OwnNote(TypeDaemonConfig, "heartbeat"), false},
		{OwnNote(TypeDaemonConfig, "of-no-row"), false},
	} {
		if got := row.note.Gap(); got != row.want {
			t.Errorf("%s %v: %v", row.note.Op, row.note.Fields, got)
		}
	}
}
