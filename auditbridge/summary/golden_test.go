package summary

import (
	"bytes"
	"flag"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

var update = flag.Bool("update", false, "write golden files anew")

// Every testdata/*.log becomes the sentences in the .golden file beside it.
func TestSentences(t *testing.T) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden pairs: %v", err)
	}
	for _, file := range append(files, "../testdata/events/sshd.log") {
		t.Run(filepath.Base(file), func(t *testing.T) {
			log, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := strings.Join(sentences(log, nil), "\n") + "\n"
			golden := filepath.Join("testdata", strings.TrimSuffix(filepath.Base(file), ".log")+".golden")
			if *update {
				if err := os.WriteFile(golden, []byte(got), 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), got); diff != "" {
				t.Errorf("sentences of %s differ (-want +got):\n%s", file, diff)
			}
		})
	}
}

// sentences are what is said of the events of a log.
func sentences(log []byte, in *interpret.Interpreter) (all []string) {
	events(log, func(e *auditbridge.Event) {
		v := auditbridge.Classify(e)
		all = append(all, string(Append(nil, e, &v, in)))
	})
	return all
}

// events hands out the events of a log.
func events(log []byte, emit func(*auditbridge.Event)) {
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	for i, line := range bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n")) {
		r.Push(auditbridge.Sequence(i+1), line, emit)
	}
	r.Flush(emit)
}
