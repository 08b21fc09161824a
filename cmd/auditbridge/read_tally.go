package main

import (
	"errors"
	"fmt"
	"io"
	"strings"

	"auditbridge/internal/logfile"
	"auditbridge/internal/terminal"
)

// readTally counts what read met. It warns of the first of each kind in a file,
// and counts the others.
type readTally struct {
	out      io.Writer
	total    fileTally
	file     fileTally
	files    []fileTally // those with something odd
	events   int
	printed  int
	limited  int // events ended because too much was open
	late     int // records that came after their event had ended
	problems int
	odd      bool // something is worth saying
	hinted   map[string]bool
}

// fileTally is what stands in one file.
type fileTally struct {
	name                             string
	lines, blanks, records, unparsed int
	long                             int // lines too long to be records
	failed                           bool
}

func (t *readTally) begin(name string) { t.file = fileTally{name: name} }

func (t *readTally) end() {
	f := &t.file
	if f.unparsed+f.long > 0 || f.failed {
		t.files = append(t.files, *f)
	}
	t.total.lines += f.lines
	t.total.blanks += f.blanks
	t.total.records += f.records
	t.total.unparsed += f.unparsed
	t.total.long += f.long
}

// unparsedLine counts the line just read as no record.
func (t *readTally) unparsedLine() {
	if t.file.unparsed++; t.file.unparsed == 1 {
		t.warnLine("no audit record; it is printed as it stands")
	}
}

func (t *readTally) longLine() {
	if t.file.long++; t.file.long == 1 {
		t.warnLine("longer than 64 KiB; it is printed in pieces that are no records")
	}
}

// limitedEvent counts an event that had to end early.
func (t *readTally) limitedEvent() {
	if t.limited++; t.limited == 1 {
		t.warnLine("too many events are open, or too large ones; the oldest is printed as it is")
	}
}

func (t *readTally) warnLine(text string) {
	t.odd = true
	fmt.Fprintf(t.out, "auditbridge: warning: %s: line %d: %s\n", terminal.Safe(t.file.name), t.file.lines, text)
}

// problem says what could not be read, of the file at hand after which line.
func (t *readTally) problem(err error) {
	t.odd = true
	text := err.Error()
	if left := (*logfile.LeftOut)(nil); errors.As(err, &left) {
		fmt.Fprintf(t.out, "auditbridge: warning: %s\n", terminal.Safe(text))
		return
	}
	t.problems++
	if t.file.name != "" && t.file.lines > 0 {
		t.file.failed = true
		text = fmt.Sprintf("%s: after line %d: %s", t.file.name, t.file.lines, strings.TrimPrefix(text, t.file.name+": "))
	}
	fmt.Fprintf(t.out, "auditbridge: warning: %s\n", terminal.Safe(text))
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" && !t.hinted[hinted.Hint()] {
		if t.hinted == nil {
			t.hinted = map[string]bool{}
		}
		t.hinted[hinted.Hint()] = true
		fmt.Fprintf(t.out, "auditbridge: hint: %s\n", terminal.SafeLines(hinted.Hint()))
	}
}

// summary says what was read: in all, and of each file with something odd.
func (t *readTally) summary(selected bool) {
	var b strings.Builder
	fmt.Fprintf(&b, "auditbridge: read %s; %s in %s", count(t.total.lines, "line"), count(t.total.records, "record"), count(t.events, "event"))
	if selected {
		fmt.Fprintf(&b, ", %d of them printed", t.printed)
	}
	t.total.describe(&b)
	if t.limited > 0 {
		fmt.Fprintf(&b, "; %s ended early", count(t.limited, "event"))
	}
	if t.late > 0 {
		fmt.Fprintf(&b, "; %s after the event had ended", count(t.late, "record"))
	}
	if t.problems > 0 {
		fmt.Fprintf(&b, "; %s", count(t.problems, "problem"))
	}
	b.WriteByte('\n')
	if len(t.files) > 0 && t.total.lines != t.files[0].lines {
		for _, f := range t.files {
			fmt.Fprintf(&b, "auditbridge:   %s: %s", terminal.Safe(f.name), count(f.lines, "line"))
			f.describe(&b)
			if f.failed {
				b.WriteString("; not read to its end")
			}
			b.WriteByte('\n')
		}
	}
	io.WriteString(t.out, b.String())
}

func (f *fileTally) describe(b *strings.Builder) {
	if f.unparsed > 0 {
		fmt.Fprintf(b, "; %d unparsable", f.unparsed)
	}
	if f.long > 0 {
		fmt.Fprintf(b, "; %d too long", f.long)
	}
	if f.blanks > 0 {
		fmt.Fprintf(b, "; %d empty", f.blanks)
	}
}
