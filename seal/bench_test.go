package seal

import (
	"bytes"
	"testing"
)

func BenchmarkWriterPerRecord(b *testing.B) {
	line := []byte("type=SYSCALL msg=audit(1709742929.678:2340): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 a2=3 a3=4 items=2 ppid=1 pid=2 auid=0 uid=0 gid=0\n")
	w, block := NewWriter(1, Hash{}), exampleBlock()
	var dst []byte
	b.ReportAllocs()
	b.SetBytes(int64(len(line)))
	for b.Loop() {
		if w.Write(line, 1); w.n < 400 { // about a block
			continue
		}
		var err error
		if dst, err = w.Close(dst[:0], &block, nil); err != nil {
			b.Fatal(err)
		}
		w.Closed()
	}
}

func BenchmarkVerify(b *testing.B) {
	s := newStream(b)
	for range 20 {
		s.records(600).checkpoint()
	}
	all, size := make([][]byte, len(s.lines)), 0
	for i, line := range s.lines {
		all[i] = []byte(line)
		size += len(line) + 1
	}
	header := []byte("2024-03-06T16:35:29.678123+00:00 web auditbridge[7]: ")
	for _, row := range []struct {
		name   string
		opts   Options
		header []byte
	}{{"journal", Options{Own: true}, nil}, {"copy", Options{}, nil}, {"rsyslog file", Options{}, header}} {
		b.Run(row.name, func(b *testing.B) {
			lines := make([][]byte, len(all))
			for i := range all {
				lines[i] = append(bytes.Clone(row.header), all[i]...)
			}
			b.SetBytes(int64(size + len(lines)*len(row.header)))
			for b.Loop() {
				v := NewVerifier(row.opts)
				for _, line := range lines {
					v.Line(line)
				}
				if r := v.Finish(); !r.OK() {
					b.Fatal(r.Summary())
				}
			}
		})
	}
}

func TestHashingARecordAllocatesNothing(t *testing.T) {
	line := []byte("type=USER msg=audit(1.000:1): hello\n")
	w := NewWriter(1, Hash{})
	if n := testing.AllocsPerRun(1000, func() { w.Write(line, 1) }); n != 0 {
		t.Errorf("%v allocations per record", n)
	}
}
