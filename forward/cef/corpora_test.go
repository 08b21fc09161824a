//go:build corpora

package cef

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
)

// TestCorpora writes every event of AUDITBRIDGE_CORPORA and reads it strictly.
// make corpora runs it.
func TestCorpora(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	w, files := New(testConfig), 0
	err := filepath.WalkDir(filepath.Join(root, "audit-logs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		log, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		messages(log, func(e *auditbridge.Event, v *auditbridge.Verdict) { check(t, w, e, v) })
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files under %s: %v", files, root, err)
	}
}
