//go:build corpora

package auditbridge

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"os"
	"path/filepath"
	"testing"
)

// TestCorpora puts every file of AUDITBRIDGE_CORPORA through the reassembler,
// the classifier and the field scanner: no line is lost, and there are as many
// events as the collection's own count of (node, time, serial) says. It is
// compiled with -tags corpora; `make corpora` runs it.
func TestCorpora(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	if root == "" {
		t.Fatal("AUDITBRIDGE_CORPORA does not name the collection")
	}
	counts := readCounts(t, filepath.Join(root, "oracle/audit_log_counts.json"))
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		files++
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			ids := distinctEvents(t, bytes.Split(data, []byte("\n")))
			if want, ok := counts[name]; ok && ids+damaged[name] != want {
				t.Errorf("%d events, the collection counts %d", ids, want)
			}
		})
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files under %s: %v", files, root, err)
	}
}

// damaged are lines that the collection counts although nothing can tell their
// event: one time stamp there is "12799========================8288.415".
var damaged = map[string]int{"audit-logs/apparmor/inputs.log": 1}

// readCounts reads how many events the files of the collection hold.
func readCounts(t *testing.T, path string) map[string]int {
	t.Helper()
	var files []struct {
		File   string
		Events int
	}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &files)
	}
	if err != nil || len(files) == 0 {
		t.Fatalf("read the collection's counts: %v", err)
	}
	counts := make(map[string]int, len(files))
	for _, f := range files {
		counts[f.File] = f.Events
	}
	return counts
}

// distinctEvents counts the EventIDs of lines, and checks on the way that every
// line comes out again, once and unchanged.
func distinctEvents(t *testing.T, lines [][]byte) int {
	t.Helper()
	ids, records := map[EventID]bool{}, 0
	emit := func(e *Event) {
		Classify(e)
		if e.End != EndMalformed {
			ids[e.ID] = true
		}
		for i := range e.Records {
			r := &e.Records[i]
			if !bytes.Equal(r.Line, lines[r.Sequence-1]) {
				t.Errorf("line %d came out as %q", r.Sequence, r.Line)
			}
			records++
			for _, part := range []Fields{r.Stamped(), r.Claims(), r.Resolved()} {
				for part.Next() {
					part.AppendDecoded(nil, r.Type)
				}
			}
		}
	}
	r := NewReassembler(Limits{})
	for i, line := range lines {
		r.Push(Sequence(i+1), line, emit)
	}
	r.Flush(emit)
	if records != len(lines) {
		t.Errorf("%d of %d lines came out", records, len(lines))
	}
	return len(ids)
}
