package forward

import (
	"errors"
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/journal"

	"github.com/google/go-cmp/cmp"
)

// The place of a destination that is configured no more is forgotten, on record
// first, and what is no relay's stays.
func TestARemovedDestinationIsForgottenOnRecord(t *testing.T) {
	dir := t.TempDir()
	gone := CursorFile(dir, "old siem/1")
	file, err := journal.OpenCursor(gone)
	if err != nil {
		t.Fatal(err)
	}
	if err := file.Store(journal.Cursor{Journal: journal.ID{1}, At: 900}); err != nil {
		t.Fatal(err)
	}
	file.Close()
	stranger := filepath.Join(dir, "relay-%zz"+journal.CursorSuffix)
	if err := os.WriteFile(stranger, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	s, said := bookkeeper(t, dir, to(9))

	said.refuse = errors.New("the disk fails")
	if err := s.forgetRemoved(t.Context()); err == nil {
		t.Error("forgotten although it is not on record")
	}
	if _, err := os.Stat(gone); err != nil {
		t.Fatal(err)
	}
	said.refuse, said.all = nil, nil
	for range 2 {
		if err := s.forgetRemoved(t.Context()); err != nil {
			t.Fatal(err)
		}
	}
	if _, err := os.Stat(gone); !errors.Is(err, os.ErrNotExist) {
		t.Errorf("the removed destination's cursor: %v", err)
	}
	for _, path := range []string{stranger, CursorFile(dir, "siem")} {
		if _, err := os.Stat(path); err != nil {
			t.Error(err)
		}
	}
	want := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "cursor-removed",
		auditbridge.Text("relay", "old siem/1"), auditbridge.Number("at", 900), auditbridge.Number("undelivered", 100))
	if diff := cmp.Diff([]auditbridge.Note{want}, said.all); diff != "" {
		t.Errorf("-want +got\n%s", diff)
	}
}

func TestDestinationsByTheirFile(t *testing.T) {
	for _, name := range []string{"siem", "127.0.0.1:7777", "a b/%41\n", "ümlaut", ""} {
		if got, ok := destinationOf(cursorName(name)); !ok || got != name {
			t.Errorf("%q comes back as %q, %v", name, got, ok)
		}
	}
}
