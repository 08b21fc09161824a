//go:build corpora

package jsonline

import (
	"bytes"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// TestCorpora reads every file of AUDITBRIDGE_CORPORA back from its JSON: every
// key, value and word of every record, as it is, and after it was damaged in the
// ways logs get damaged. No line is lost on the way.
func TestCorpora(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	if root == "" {
		t.Fatal("AUDITBRIDGE_CORPORA does not name the collection")
	}
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
			lines := bytes.Split(data, []byte("\n"))
			readBack(t, "as it is", lines)
			for way, damaged := range damage(rand.New(rand.NewPCG(1, uint64(len(data)))), lines) {
				readBack(t, way, damaged)
			}
		})
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files under %s: %v", files, root, err)
	}
}

// damage returns a log's lines cut, shuffled, doubled, with NULs among their
// bytes, and mixed from two hosts.
func damage(random *rand.Rand, lines [][]byte) map[string][][]byte {
	var cut, doubled, nuls, mixed [][]byte
	for _, line := range lines {
		at := random.IntN(len(line) + 1)
		cut = append(cut, line[:at], line[at:])
		doubled = append(doubled, line, line)
		nuls = append(nuls, append(append(bytes.Clone(line[:at]), 0), line[at:]...))
		mixed = append(mixed, append([]byte("node=a "), line...), append([]byte("node=b "), line...))
	}
	shuffled := append([][]byte(nil), lines...)
	random.Shuffle(len(shuffled), func(i, j int) { shuffled[i], shuffled[j] = shuffled[j], shuffled[i] })
	return map[string][][]byte{"cut": cut, "doubled": doubled, "NULs": nuls, "two hosts": mixed, "shuffled": shuffled}
}

func readBack(t *testing.T, way string, lines [][]byte) {
	t.Helper()
	var w, meaning Writer
	meaning.Interpreter = &interpret.Interpreter{}
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	records := 0
	var text []byte
	emit := func(e *auditbridge.Event) {
		records += len(e.Records)
		v := auditbridge.Classify(e)
		text = w.AppendEvent(text[:0], e, &v)
		if err := checkRoundTrip(text, e); err != nil {
			t.Errorf("%s: %v in %s", way, err, text)
		}
		meaning.AppendEvent(text[:0], e, &v)
	}
	for i, line := range lines {
		h, ok := auditbridge.ParseFramed(line)
		r.PushParsed(auditbridge.Sequence(i+1), line, h, ok, emit)
	}
	r.Flush(emit)
	if records != len(lines) {
		t.Errorf("%s: %d of %d lines came out", way, records, len(lines))
	}
}
