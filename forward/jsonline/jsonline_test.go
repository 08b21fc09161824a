package jsonline

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"auditbridge/auditbridge"
	"auditbridge/internal/terminal"
)

var update = flag.Bool("update", false, "write golden files anew")

func events(log []byte, f func(*auditbridge.Event, *auditbridge.Verdict)) {
	r := auditbridge.NewReassembler(auditbridge.Limits{})
	emit := func(e *auditbridge.Event) {
		v := auditbridge.Classify(e)
		f(e, &v)
	}
	for i, line := range bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n")) {
		r.Push(auditbridge.Sequence(i+1), line, emit)
	}
	r.Flush(emit)
}

func TestGoldenEvents(t *testing.T) {
	for _, name := range []string{"sshd", "oddities"} {
		log, err := os.ReadFile("../../auditbridge/testdata/events/" + name + ".log")
		if err != nil {
			t.Fatal(err)
		}
		var w Writer
		var got []byte
		events(log, func(e *auditbridge.Event, v *auditbridge.Verdict) {
			start := len(got)
			got = w.AppendEvent(got, e, v)
			var parsed map[string]any
			if err := json.Unmarshal(got[start:], &parsed); err != nil {
				t.Errorf("%v in %s", err, got[start:])
			}
		})
		golden := "testdata/" + name + ".json"
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
			t.Errorf("%s (-want +got):\n%s", golden, diff)
		}
	}
}

// Whatever bytes a line holds, its JSON is one line that a strict reader takes
// and a terminal only shows.
func FuzzAppendEvent(f *testing.F) {
	f.Add([]byte(`type=USER_AUTH msg=audit(1.002:3): pid=1 pid=2 a b msg='op=x op=y "z" acct=\xff'`))
	f.Add([]byte("type=AVC msg=audit(1.002:3): avc:  denied  { read } for  =\x1dA=\"b\""))
	f.Add([]byte("\xc3("))
	f.Add([]byte("type=USER_LOGIN msg=audit(1.002:3): msg='acct=\"\u202e\u009b31m\x1b\x7f\U000e0041é\"'"))
	var w Writer
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		events(line, func(e *auditbridge.Event, v *auditbridge.Verdict) {
			got := w.AppendEvent(nil, e, v)
			if !json.Valid(got) || bytes.IndexByte(got, '\n') != len(got)-1 {
				t.Errorf("%q is written %q", line, got)
			}
			text := strings.ReplaceAll(string(got), "\ufffd", "?")
			if shown := terminal.SafeLines(text); shown != text {
				t.Errorf("%q would do something to a terminal: %q", line, got)
			}
			var back string
			if err := json.Unmarshal(appendString(nil, line), &back); err != nil || utf8.Valid(line) && back != string(line) {
				t.Errorf("%q comes back as %q", line, back)
			}
		})
	})
}

func TestAppendEventAllocatesNothing(t *testing.T) {
	log, err := os.ReadFile("../../auditbridge/testdata/events/oddities.log")
	if err != nil {
		t.Fatal(err)
	}
	var w Writer
	dst := make([]byte, 0, 64<<10)
	events(log, func(e *auditbridge.Event, v *auditbridge.Verdict) {
		if n := testing.AllocsPerRun(10, func() { dst = w.AppendEvent(dst[:0], e, v) }); n != 0 {
			t.Errorf("%v allocations for %s", n, e.Records[0].Line)
		}
	})
}
