//go:build corpora

package syslog

import (
	"io/fs"
	"os"
	"path/filepath"
	"testing"

	"github.com/leodido/go-syslog/v4/rfc5424"

	"auditbridge/auditbridge"
)

// TestCorpora writes every event of AUDITBRIDGE_CORPORA in every format and
// lets the oracles read it. make corpora runs it.
func TestCorpora(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	format, oracle := New(testConfig), rfc5424.NewParser()
	bsd := NewBSD(testConfig, sender)
	files := 0
	err := filepath.WalkDir(filepath.Join(root, "audit-logs"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		files++
		log, err := os.ReadFile(path)
		if err != nil {
			return err
		}
		messages(log, func(e *auditbridge.Event, v *auditbridge.Verdict) {
			parse(t, oracle, format.AppendEvent(nil, e, v))
			checkBSD(t, bsd, e, v)
			for i := range e.Records {
				parse(t, oracle, format.AppendRecord(nil, &e.Records[i], v))
			}
		})
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files under %s: %v", files, root, err)
	}
}
