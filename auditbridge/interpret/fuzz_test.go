package interpret

import (
	"bytes"
	"math"
	"os"
	"path/filepath"
	"testing"

	"auditbridge/auditbridge"
)

// FuzzAppendValue: whatever stands in records, every field either means
// something or leaves dst as it was, what stood in dst stays, and a second look
// says the same.
func FuzzAppendValue(f *testing.F) {
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) == 0 {
		f.Fatalf("no records: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		for line := range bytes.Lines(text) {
			f.Add(bytes.TrimSpace(line))
		}
	}
	f.Add([]byte("type=SYSCALL msg=audit(1.001:1): arch=40000003 syscall=102 a0=e a1=5\ntype=SOCKETCALL msg=audit(1.001:1): nargs=5 a0=1 a1=6 a2=1 a3=0 a4=4"))
	in := &Interpreter{Names: names{}}
	f.Fuzz(func(t *testing.T, text []byte) {
		var lines []string
		for line := range bytes.SplitSeq(text, []byte("\n")) {
			lines = append(lines, string(line))
		}
		each(t, lines, func(e *auditbridge.Event, r *auditbridge.Record) {
			for _, f := range []auditbridge.Fields{r.Stamped(), r.Claims(), r.Resolved()} {
				for f.Next() {
					holds(t, func(dst []byte) ([]byte, bool) { return in.AppendValue(dst, e, r, &f) }, f.Value)
				}
			}
		})
	})
}

// FuzzDecoders does the same with each way to read a value by itself.
func FuzzDecoders(f *testing.F) {
	for _, v := range []string{"02000016C0000201", "00020016C0000201", "0100", "01002F746D702F73", "26007368610000000000000000000000000000000000000073686100", "-13", "-4095", "ffffffffffffff9c", "0100755", "c000003e", "3fffffffff", "18446744073709551616", "-", "0x", ""} {
		f.Add([]byte(v), uint64(len(v)))
	}
	f.Fuzz(func(t *testing.T, v []byte, n uint64) {
		for _, decode := range []func(dst, v []byte) ([]byte, bool){appendAddress, appendExit, appendArch, appendAnswer, appendUnhex} {
			holds(t, func(dst []byte) ([]byte, bool) { return decode(dst, v) }, nil)
		}
		if a, ok := ParseAddress(nil, v); ok {
			holds(t, func(dst []byte) ([]byte, bool) { return a.AppendPath(dst), true }, nil)
			if e, ok := a.Endpoint(); ok != e.IsValid() {
				t.Fatalf("%s has endpoint %v: %v", v, e, ok)
			}
		}
		for _, base := range bases {
			number(v, base)
		}
		holds(t, func(dst []byte) ([]byte, bool) { return appendCapabilities(dst, n), true }, nil)
		holds(t, func(dst []byte) ([]byte, bool) { return appendMode(dst, n), true }, nil)
		holds(t, func(dst []byte) ([]byte, bool) { return appendPermissions(dst, n), true }, nil)
		for _, table := range words().tables {
			holds(t, func(dst []byte) ([]byte, bool) { return table.append(dst, n) }, nil)
			for _, variant := range table.variants {
				holds(t, func(dst []byte) ([]byte, bool) { return variant.append(dst, n) }, nil)
			}
		}
		for i := range arches {
			SyscallName(arches[i].value, int(n&math.MaxInt))
		}
	})
}

// holds checks what every decoder promises. Only false may come of what would be
// said as it is written.
func holds(t *testing.T, decode func(dst []byte) ([]byte, bool), written []byte) {
	t.Helper()
	before := []byte("before")
	space := append(make([]byte, 0, 256), before...)
	dst, ok := decode(space)
	again, okAgain := decode(append([]byte(nil), before...))
	switch {
	case !bytes.HasPrefix(dst, before):
		t.Fatalf("%q became %q", before, dst)
	case !ok && len(dst) > len(before):
		t.Fatalf("false, but %q was appended", dst)
	case ok && written != nil && bytes.Equal(dst[len(before):], written):
		t.Fatalf("%q means %q", written, written)
	case ok != okAgain || !bytes.Equal(dst, again):
		t.Fatalf("%q, then %q", dst, again)
	}
}
