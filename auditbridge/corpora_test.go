//go:build corpora

package auditbridge

import (
	"bytes"
	"encoding/json"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// TestCorpora puts every file of AUDITBRIDGE_CORPORA through the reassembler,
// the classifier and the field scanner: no line is lost, and there are as many
// events as the collection's own counts of (node, time, serial) say, of records
// that stand by themselves and of those in a frame. Where we count otherwise,
// testdata/corpora-differences.txt says why. It is compiled with -tags corpora;
// `make corpora` runs it.
func TestCorpora(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	if root == "" {
		t.Fatal("AUDITBRIDGE_CORPORA does not name the collection")
	}
	counts := readCounts(t, filepath.Join(root, "oracle/audit_log_counts.json"))
	differences := readDifferences(t, "testdata/corpora-differences.txt")
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
			got := distinctEvents(t, bytes.Split(data, []byte("\n")))
			want, ok := counts[name]
			if !ok || got == want {
				return
			}
			if d := differences[name]; d != (difference{want, got}) {
				t.Errorf("%d events by themselves and %d in a frame, the collection counts %d and %d", got.plain, got.framed, want.plain, want.framed)
			}
			delete(differences, name)
		})
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files under %s: %v", files, root, err)
	}
	for name := range differences {
		t.Errorf("%s: there is no such difference", name)
	}
}

// events counts the events of a file, by how their records stand in it.
type eventCount struct{ plain, framed int }

type difference struct{ collection, ours eventCount }

// readDifferences reads lines of: file, the collection's two counts, ours,
// reason.
func readDifferences(t *testing.T, path string) map[string]difference {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]difference{}
	for line := range strings.Lines(string(text)) {
		if strings.HasPrefix(line, "#") {
			continue
		}
		var name, reason string
		var d difference
		if _, err := fmt.Sscanf(line, "%s %d %d %d %d %s", &name, &d.collection.plain, &d.collection.framed, &d.ours.plain, &d.ours.framed, &reason); err != nil {
			t.Fatalf("%s: %q: %v", path, line, err)
		}
		all[name] = d
	}
	return all
}

// readCounts reads how many events the files of the collection hold.
func readCounts(t *testing.T, path string) map[string]eventCount {
	t.Helper()
	var files []struct {
		File         string
		Events       int
		FramedEvents int `json:"kmsg_events"`
	}
	data, err := os.ReadFile(path)
	if err == nil {
		err = json.Unmarshal(data, &files)
	}
	if err != nil || len(files) == 0 {
		t.Fatalf("read the collection's counts: %v", err)
	}
	counts := make(map[string]eventCount, len(files))
	for _, f := range files {
		counts[f.File] = eventCount{f.Events, f.FramedEvents}
	}
	return counts
}

// distinctEvents counts the EventIDs of lines, and checks on the way that every
// line comes out again, once and unchanged.
func distinctEvents(t *testing.T, lines [][]byte) eventCount {
	t.Helper()
	plain, framed, records := map[EventID]bool{}, map[EventID]bool{}, 0
	emit := func(e *Event) {
		Classify(e)
		if e.End != EndMalformed {
			for i := range e.Records {
				if _, ok := ParseHeader(e.Records[i].Line); ok {
					plain[e.ID] = true
				} else {
					framed[e.ID] = true
				}
			}
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
		h, ok := ParseFramed(line)
		r.PushParsed(Sequence(i+1), line, h, ok, emit)
	}
	r.Flush(emit)
	if records != len(lines) {
		t.Errorf("%d of %d lines came out", records, len(lines))
	}
	return eventCount{len(plain), len(framed)}
}
