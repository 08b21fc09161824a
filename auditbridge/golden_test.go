package auditbridge

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

var update = flag.Bool("update", false, "write golden files anew")

// Every testdata/events/*.log becomes the events in the .golden file beside it.
func TestEvents(t *testing.T) {
	files, err := filepath.Glob("testdata/events/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no golden pairs: %v", err)
	}
	for _, file := range files {
		t.Run(filepath.Base(file), func(t *testing.T) {
			log, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			got := describeLog(log)
			golden := strings.TrimSuffix(file, ".log") + ".golden"
			if *update {
				if err := os.WriteFile(golden, got, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			want, err := os.ReadFile(golden)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(string(want), string(got)); diff != "" {
				t.Errorf("events of %s differ (-want +got):\n%s", file, diff)
			}
		})
	}
}

// describeLog writes what becomes of a log: each event with its verdict, each
// record with its fields by who said them.
func describeLog(log []byte) []byte {
	var out bytes.Buffer
	r := NewReassembler(Limits{})
	emit := func(e *Event) { describe(&out, e) }
	for i, line := range bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n")) {
		r.Push(Sequence(i+1), line, emit)
	}
	r.Flush(emit)
	return out.Bytes()
}

func describe(out *bytes.Buffer, e *Event) {
	v := Classify(e)
	fmt.Fprintf(out, "event node=%q %d.%03d:%d  %s %s.%s %s", e.ID.Node, e.ID.Seconds, e.ID.Millis, e.ID.Serial, v.Class, v.Facility, v.Severity, v.MsgID)
	if v.Result != NoResult {
		fmt.Fprintf(out, " %s", v.Result)
	}
	if v.Reason != nil {
		fmt.Fprintf(out, " %q", v.Reason)
	}
	if v.Doubtful {
		fmt.Fprint(out, " doubtful")
	}
	fmt.Fprintf(out, "  lines %d-%d ended at %d by %s\n", e.First, e.Last, e.Completed, e.End)
	for i := range e.Records {
		describeRecord(out, &e.Records[i])
	}
}

func describeRecord(out *bytes.Buffer, r *Record) {
	fmt.Fprintf(out, "  %s\n", r.TypeName())
	for _, part := range []struct {
		name   string
		fields Fields
	}{{"stamped", r.Stamped()}, {"claimed", r.Claims()}, {"resolved", r.Resolved()}} {
		line := ""
		for f := part.fields; f.Next(); {
			value := string(f.AppendDecoded(nil, r.Type))
			if quoted := strconv.Quote(value); quoted != `"`+value+`"` || strings.ContainsAny(value, " ") || value == "" {
				value = quoted
			}
			line += " " + string(f.Key) + "=" + value
		}
		if line != "" {
			fmt.Fprintf(out, "    %s:%s\n", part.name, line)
		}
	}
}

func TestSampleIsTwentySixEvents(t *testing.T) {
	log, err := os.ReadFile("testdata/events/sshd.log")
	if err != nil {
		t.Fatal(err)
	}
	records := bytes.Count(log, []byte("\n"))
	events := bytes.Count(describeLog(log), []byte("event node="))
	if records != 28 || events != 26 {
		t.Errorf("%d records became %d events, want 28 and 26", records, events)
	}
}
