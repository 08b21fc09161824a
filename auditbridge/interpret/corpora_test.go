//go:build corpora

package interpret

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestCorporaAusearch interprets every record of AUDITBRIDGE_CORPORA that
// ausearch reads, field by field as it does. make corpora runs it.
func TestCorporaAusearch(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	d := readDifferences(t, "here", "corpora")
	files := 0
	err := filepath.WalkDir(filepath.Join(root, "audit-logs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		name, _ := filepath.Rel(root, path)
		d.compare(t, name, text)
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files under %s: %v", files, root, err)
	}
	d.check(t, "corpora")
}
