package main

import (
	"bytes"
	"testing"
)

// TestDumpKeepsNoLines: a file of another program, which no block line ever
// ends, takes no more memory than a line.
func TestDumpKeepsNoLines(t *testing.T) {
	d := newDump("-")
	line := append([]byte("type=USER msg=audit(1.000:1): "), bytes.Repeat([]byte("x"), 1<<10)...)
	if n := testing.AllocsPerRun(1000, func() { d.line(line, true) }); n != 0 {
		t.Errorf("%v allocations a line", n)
	}
	if d.finish(); d.Open.Lines != 1001 || d.Open.Bytes != 1001*(len(line)+1) {
		t.Errorf("open block: %+v", d.Open)
	}
}
