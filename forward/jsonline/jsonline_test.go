package jsonline

import (
	"bytes"
	"encoding/json"
	"flag"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
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
	for _, name := range []string{"sshd", "execve", "oddities", "exact"} {
		log, err := os.ReadFile("../../auditbridge/testdata/events/" + name + ".log")
		if os.IsNotExist(err) {
			log, err = os.ReadFile("testdata/" + name + ".log")
		}
		if err != nil {
			t.Fatal(err)
		}
		var w Writer
		var got []byte
		events(log, func(e *auditbridge.Event, v *auditbridge.Verdict) {
			start := len(got)
			got = w.AppendEvent(got, e, v)
			if err := checkRoundTrip(got[start:], e); err != nil {
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
// and a terminal only shows, and from which the reader has every field back, byte
// for byte.
func FuzzAppendEvent(f *testing.F) {
	for _, seed := range []string{
		`type=USER_AUTH msg=audit(1.002:3): pid=1 pid=2 a b msg='op=x op=y "z" acct=\xff'`,
		"type=AVC msg=audit(1.002:3): avc:  denied  { read } for  =\x1dA=\"b\"",
		"\xc3(",
		"type=USER_LOGIN msg=audit(1.002:3): msg='acct=\"\u202e\u009b31m\x1b\x7f\U000e0041é\"'",
		`type=EXECVE msg=audit(1.002:3): argc=4 a0="x" a1=FF00 a3_len=4 a3[0]="a" a3[1]=FFFE`,
		"type=PROCTITLE msg=audit(1.002:3): proctitle=2F62FF00002D proctitle=61",
		"type=SOCKADDR msg=audit(1.002:3): saddr=02000016C00002040000000000000000 saddr=0100FF saddr=x",
		"type=X msg=audit(1.002:3): text=a b msg=c text=d \xff=e \\x00=f ab-esc=1",
		"type=USER_CMD msg=audit(1.002:3): name=FF name=61 msg='cmd=FF cmd=61 x{\xff}' ab-esc=1",
	} {
		f.Add([]byte(seed))
	}
	var w Writer
	meaning := Writer{Interpreter: &interpret.Interpreter{}}
	f.Fuzz(func(t *testing.T, line []byte) {
		if bytes.IndexByte(line, '\n') >= 0 {
			return
		}
		events(line, func(e *auditbridge.Event, v *auditbridge.Verdict) {
			got := w.AppendEvent(nil, e, v)
			if err := checkRoundTrip(got, e); err != nil {
				t.Errorf("%v in %s", err, got)
			}
			text := strings.ReplaceAll(string(got), "\ufffd", "?")
			if shown := terminal.SafeLines(text); shown != text {
				t.Errorf("%q would do something to a terminal: %q", line, got)
			}
			if got = meaning.AppendEvent(nil, e, v); !json.Valid(got) {
				t.Errorf("no JSON: %s", got)
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
