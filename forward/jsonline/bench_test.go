package jsonline

import (
	"os"
	"testing"

	"auditbridge/auditbridge"
)

func BenchmarkAppendEvent(b *testing.B) {
	log, err := os.ReadFile("../../auditbridge/testdata/events/execve.log")
	if err != nil {
		b.Fatal(err)
	}
	var w Writer
	dst := make([]byte, 0, 64<<10)
	b.ReportAllocs()
	events(log, func(e *auditbridge.Event, v *auditbridge.Verdict) {
		if e.ID.Serial == 32 && len(e.Records) == 4 {
			for b.Loop() {
				dst = w.AppendEvent(dst[:0], e, v)
			}
		}
	})
}
