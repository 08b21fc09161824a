//go:build corpora

package rules

import (
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestEveryRuleFileOfTheCorporaIsRead: every line of them is understood, and
// what is shown of each rule is read as the same rule again. It is compiled with
// -tags corpora; `make corpora` runs it.
func TestEveryRuleFileOfTheCorporaIsRead(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	if root == "" {
		t.Fatal("AUDITBRIDGE_CORPORA does not name the collection")
	}
	host, files, read := testHost(), 0, 0
	err := filepath.WalkDir(filepath.Join(root, "rules"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".rules") && filepath.Base(path) != "auditctl" {
			return err
		}
		files++
		text, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		f, err := Parse(path, string(text), host)
		if err != nil {
			t.Errorf("%v", err)
		}
		for _, s := range f.Statements {
			if s.Verb == Add {
				read++
				showsAndReadsBack(t, host, s.Rule)
			}
		}
		return nil
	})
	if err != nil || files == 0 || read < 600 {
		t.Errorf("%d files with %d rules: %v", files, read, err)
	}
}
