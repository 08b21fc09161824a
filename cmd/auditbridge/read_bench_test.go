package main

import (
	"bytes"
	"fmt"
	"io"
	"testing"
	"time"
)

// syscallLog is events of SYSCALL, PROCTITLE and EOE from four tasks in turn, as
// the kernel delivers them.
func syscallLog(events int) []byte {
	var log bytes.Buffer
	for first := 0; first < events; first += 4 {
		for record := range 3 {
			for task := range 4 {
				serial := 1000 + first + task
				head := fmt.Sprintf("msg=audit(%d.%03d:%d): ", 1700000000+serial/20000, serial/20%1000, serial)
				switch record {
				case 0:
					fmt.Fprintf(&log, "type=SYSCALL %sarch=c000003e syscall=121 success=yes exit=4242 a0=0 a1=7ffd8a a2=0 a3=0 items=0 ppid=811 pid=4242 auid=1000 uid=1000 gid=1000 euid=1000 suid=1000 fsuid=1000 egid=1000 sgid=1000 fsgid=1000 tty=pts0 ses=3 comm=\"generator\" exe=\"/usr/local/bin/generator\" subj=unconfined key=\"bench\"\n", head)
				case 1:
					fmt.Fprintf(&log, "type=PROCTITLE %sproctitle=2F7573722F6C6F63616C2F62696E2F67656E657261746F72002D6E00353030303030\n", head)
				case 2:
					fmt.Fprintf(&log, "type=EOE %s\n", head)
				}
			}
		}
	}
	return log.Bytes()
}

func BenchmarkReadJSON(b *testing.B) {
	const events = 50_000
	log := syscallLog(events)
	b.ReportAllocs()
	for b.Loop() {
		flags := readFlags{output: "json", ids: "host"}
		job, err := flags.job(time.Now())
		if err != nil {
			b.Fatal(err)
		}
		job.in, job.out, job.err = bytes.NewReader(log), io.Discard, io.Discard
		if err := job.run(b.Context(), []string{"-"}); err != nil {
			b.Fatal(err)
		}
	}
	b.ReportMetric(float64(b.Elapsed().Nanoseconds())/float64(b.N*3*events), "ns/record")
}
