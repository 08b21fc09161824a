package summary

import (
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
)

// logs are the golden logs, whole.
func logs(t testing.TB) map[string][]byte {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no logs: %v", err)
	}
	all := map[string][]byte{}
	for _, file := range files {
		if all[filepath.Base(file)], err = os.ReadFile(file); err != nil {
			t.Fatal(err)
		}
	}
	return all
}

func TestAppendAllocatesNothing(t *testing.T) {
	space := make([]byte, 0, 2*MaxLength)
	for name, log := range logs(t) {
		events(log, func(e *auditbridge.Event) {
			v := auditbridge.Classify(e)
			if n := testing.AllocsPerRun(5, func() { Append(space, e, &v, nil) }); n != 0 {
				t.Errorf("%s: %v allocations for %q", name, n, e.Records[0].Line)
			}
		})
	}
}

func BenchmarkAppend(b *testing.B) {
	space := make([]byte, 0, 2*MaxLength)
	for _, name := range []string{"syscalls.log", "messages.log"} {
		b.Run(name, func(b *testing.B) {
			log, n := logs(b)[name], 0
			events(log, func(*auditbridge.Event) { n++ })
			b.ReportAllocs()
			events(log, func(e *auditbridge.Event) {
				v := auditbridge.Classify(e)
				for range b.N/n + 1 {
					Append(space, e, &v, nil)
				}
			})
		})
	}
}
