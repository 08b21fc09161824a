package interpret

import (
	"bytes"
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
)

// sample is one event of each record in testdata.
func sample(t testing.TB) (lines []string) {
	t.Helper()
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			lines = append(lines, string(bytes.TrimSpace(line)))
		}
	}
	return lines
}

type nobody struct{}

func (nobody) AppendUser(dst []byte, _ string, _ uint32) ([]byte, bool) {
	return append(dst, "somebody"...), true
}
func (nobody) AppendGroup(dst []byte, _ string, _ uint32) ([]byte, bool) { return dst, false }

func TestInterpretAllocatesNothing(t *testing.T) {
	in := &Interpreter{Names: nobody{}}
	dst := make([]byte, 0, 16<<10)
	each(t, sample(t), func(e *auditbridge.Event, r *auditbridge.Record) {
		allocs := testing.AllocsPerRun(5, func() {
			for f := r.Stamped(); f.Next(); {
				dst, _ = in.AppendValue(dst[:0], e, r, &f)
			}
			for f := r.Claims(); f.Next(); {
				dst, _ = in.AppendValue(dst[:0], e, r, &f)
			}
		})
		if allocs != 0 {
			t.Errorf("%v allocations for %s", allocs, r.Line)
		}
	})
}

// BenchmarkAppendValue interprets all fields of one SYSCALL record.
func BenchmarkAppendValue(b *testing.B) {
	in := &Interpreter{Names: nobody{}}
	line := record(`SYSCALL arch=c000003e syscall=257 success=no exit=-13 a0=ffffff9c a1=7ffd8a a2=80241 a3=1b6 items=2 ppid=811 pid=4242 auid=1000 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=3 comm="generator" exe="/usr/local/bin/generator" subj=unconfined key="bench"`)
	dst := make([]byte, 0, 1<<10)
	b.ReportAllocs()
	each(b, []string{line}, func(e *auditbridge.Event, r *auditbridge.Record) {
		for b.Loop() {
			for f := r.Stamped(); f.Next(); {
				dst, _ = in.AppendValue(dst[:0], e, r, &f)
			}
		}
	})
}
