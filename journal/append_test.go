package journal

import (
	"testing"
	"time"
)

// Appending a record allocates nothing: what a block or a sync costs is
// spread over hundreds of records.
func TestAppendAllocatesNothingPerRecord(t *testing.T) {
	cfg, r := testConfig(t), newRing(t)
	j := mustOpen(t, cfg, r)
	defer j.Close()
	const batch = 300 // less than a block
	n := 0
	allocs := testing.AllocsPerRun(100, func() {
		feed(t, r, n, 0)
		room := r.Room()
		for range batch {
			room = append(room, benchLine...)
		}
		r.Publish(len(room), batch)
		n += batch
		for len(r.Pending()) > 0 {
			if err := j.appendPending(r.Pending(), time.Now()); err != nil {
				t.Fatal(err)
			}
		}
	})
	if perRecord := allocs / batch; perRecord >= 0.5 {
		t.Errorf("%.2f allocations per record", perRecord)
	}
}

var benchLine = []byte("type=SYSCALL msg=audit(1709742929.678:2340): arch=c000003e syscall=121 success=yes exit=1 a0=1 a1=7f a2=10 a3=0 items=0 ppid=1 pid=77 auid=1000\n")

// BenchmarkAppend is the consumer's whole work on a record: hash, write, block
// lines, checkpoints, syncs; on the file system TMPDIR lies on.
func BenchmarkAppend(b *testing.B) {
	cfg, r := testConfig(b), newRing(b)
	base := b.TempDir()
	cfg.Dir, cfg.StateDir = base+"/journal", base+"/state"
	j := mustOpen(b, cfg, r)
	stop := runFor(b, j)
	b.SetBytes(int64(len(benchLine)))
	b.ReportAllocs()
	b.ResetTimer()
	for done := 0; done < b.N; {
		room, n := r.Room(), 0
		for n < 256 && done+n < b.N && len(room)+len(benchLine) <= cap(room) {
			room = append(room, benchLine...)
			n++
		}
		if n == 0 {
			<-r.Space(64 << 10)
			continue
		}
		r.Publish(len(room), n)
		done += n
	}
	until(b, "all is written", func() bool { return r.Stats().Bytes == 0 })
	b.StopTimer()
	stop()
	j.Close()
}
