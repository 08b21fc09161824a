package auditbridge

import (
	"bytes"
	"fmt"
	"os"
	"testing"
)

// syscallLines returns n lines of getpgid events as the kernel delivers them:
// SYSCALL, PROCTITLE, EOE, from four tasks in turn, record by record.
func syscallLines(events int) [][]byte {
	const tasks = 4
	var lines [][]byte
	for first := 0; first < events; first += tasks {
		for record := range 3 {
			for task := range tasks {
				serial := 1000 + first + task
				ms := serial / 50
				head := fmt.Sprintf("msg=audit(%d.%03d:%d): ", 1700000000+ms/1000, ms%1000, serial)
				body := [...]string{
					"type=SYSCALL " + head + `arch=c000003e syscall=121 success=yes exit=4242 a0=0 a1=7ffd8a a2=0 a3=0 items=0 ppid=811 pid=4242 auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=3 comm="generator" exe="/usr/local/bin/generator" subj=unconfined key="bench"`,
					"type=PROCTITLE " + head + "proctitle=2F7573722F6C6F63616C2F62696E2F67656E657261746F72002D6E00353030303030",
					"type=EOE " + head,
				}[record]
				lines = append(lines, []byte(body))
			}
		}
	}
	return lines
}

func sampleLines(t testing.TB) [][]byte {
	log, err := os.ReadFile("testdata/events/sshd.log")
	if err != nil {
		t.Fatal(err)
	}
	return bytes.Split(bytes.TrimSuffix(log, []byte("\n")), []byte("\n"))
}

// steady pushes lines again and again under new sequences; their events are
// ended in between, as in a stream of that length that pauses.
func steady(lines [][]byte, emit func(*Event)) func() {
	r := NewReassembler(Limits{})
	seq := Sequence(0)
	return func() {
		for _, line := range lines {
			seq++
			r.Push(seq, line, emit)
		}
		seq += 2 * DefaultLimits.Memory // forget these events' names
		r.Flush(emit)
	}
}

func TestReassembleAndClassifyAllocateNothing(t *testing.T) {
	for name, lines := range map[string][][]byte{"syscalls": syscallLines(400), "sshd": sampleLines(t)} {
		verdicts := 0
		push := steady(lines, func(e *Event) {
			if v := Classify(e); v.MsgID != "" {
				verdicts++
			}
		})
		for range 10 {
			push()
		}
		if n := testing.AllocsPerRun(20, push); n != 0 {
			t.Errorf("%s: %v allocations for %d records", name, n, len(lines))
		}
		if verdicts == 0 {
			t.Errorf("%s: no events", name)
		}
	}
}

func TestFieldsAllocateNothing(t *testing.T) {
	lines := append(syscallLines(4), sampleLines(t)...)
	space := make([]byte, 0, MaxLine)
	scan := func() {
		for _, line := range lines {
			h, _ := ParseHeader(line)
			r := Record{Type: h.Type, Line: line, Body: h.Body}
			for f := r.Stamped(); f.Next(); {
				space = f.AppendDecoded(space[:0], r.Type)
			}
			for f := r.Claims(); f.Next(); {
				space = f.AppendDecoded(space[:0], r.Type)
			}
		}
	}
	if n := testing.AllocsPerRun(20, scan); n != 0 {
		t.Errorf("%v allocations for %d records", n, len(lines))
	}
}

func BenchmarkReassemble(b *testing.B) {
	lines := syscallLines(20_000)
	push := steady(lines, func(*Event) {})
	for range 10 {
		push()
	}
	b.ReportAllocs()
	for b.Loop() {
		push()
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(lines)), "ns/record")
}

func BenchmarkReassembleAndClassify(b *testing.B) {
	for _, row := range []struct {
		name  string
		lines [][]byte
	}{{"syscalls", syscallLines(20_000)}, {"sshd", sampleLines(b)}} {
		b.Run(row.name, func(b *testing.B) {
			push := steady(row.lines, func(e *Event) { Classify(e) })
			for range 10 {
				push()
			}
			b.ReportAllocs()
			for b.Loop() {
				push()
			}
			b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*len(row.lines)), "ns/record")
		})
	}
}

func BenchmarkParseHeader(b *testing.B) {
	line := syscallLines(4)[0]
	b.ReportAllocs()
	for b.Loop() {
		ParseHeader(line)
	}
}
