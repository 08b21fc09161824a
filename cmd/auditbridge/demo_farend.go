package main

import (
	"bytes"
	"crypto/sha256"
	"fmt"
	"io"
	"strings"
	"sync"

	"auditbridge/auditbridge"
	"auditbridge/internal/terminal"
	"auditbridge/seal"
)

// farEnd is what the demonstration's log server makes of what arrives: it shows
// each event, verifies the seal, and remembers the marks it has seen.
type farEnd struct {
	out io.Writer

	mu       sync.Mutex
	verifier *seal.Verifier
	events   *auditbridge.Reassembler
	stream   hashedLines
	classes  map[auditbridge.Class]int
	marks    map[string]bool
	kernel   int // lines that are not our own
}

func newFarEnd(out io.Writer) *farEnd {
	return &farEnd{
		out:      out,
		verifier: seal.NewVerifier(seal.Options{}),
		events:   auditbridge.NewReassembler(auditbridge.Limits{}),
		classes:  map[auditbridge.Class]int{},
		marks:    map[string]bool{},
	}
}

// arrived takes one raw audit line from the log server.
func (f *farEnd) arrived(line []byte) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.stream.add(line)
	f.verifier.Line(line)
	f.note(line)
	f.events.Push(auditbridge.Sequence(f.stream.lines), line, f.show)
}

// note remembers our marks. A forged line would have to stand alone to count.
func (f *farEnd) note(line []byte) {
	if h, ok := auditbridge.ParseHeader(line); ok && h.ID.Serial < auditbridge.FirstNoteSerial {
		f.kernel++
	}
	if _, mark, found := bytes.Cut(line, []byte("demo=")); found {
		mark = mark[:len(mark)-len(bytes.TrimLeft(mark, demoMark+"-0123456789"))]
		f.marks["demo="+string(mark)] = true
	}
	for _, key := range []string{`key="` + demoMark + `"`, `key="identity"`, "type=LOGIN "} {
		if bytes.Contains(line, []byte(key)) {
			f.marks[key] = true
		}
	}
}

func (f *farEnd) show(e *auditbridge.Event) {
	verdict := auditbridge.Classify(e)
	f.classes[verdict.Class]++
	var types []string
	for _, r := range e.Records {
		if name := r.Type.String(); len(types) == 0 || types[len(types)-1] != name {
			types = append(types, name)
		}
	}
	result := verdict.Result.String()
	if len(verdict.Reason) > 0 {
		result += " (" + string(verdict.Reason) + ")"
	}
	fmt.Fprintf(f.out, "  %d.%03d:%-10d  %-13s %-28s %s\n", e.ID.Seconds, e.ID.Millis, e.ID.Serial,
		verdict.Class, terminal.Safe(result), strings.Join(types, " "))
}

// has tells whether all marks have arrived.
func (f *farEnd) has(marks []string) (missing []string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	for _, m := range marks {
		if !f.marks[m] {
			missing = append(missing, m)
		}
	}
	return missing
}

// finish ends the events still open and the verification.
func (f *farEnd) finish() seal.Report {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.events.Flush(f.show)
	return f.verifier.Finish()
}

// hashedLines tells two streams of lines apart by count and hash.
type hashedLines struct {
	lines uint64
	sum   [sha256.Size]byte
}

func (h *hashedLines) add(line []byte) {
	h.lines++
	hash := sha256.New()
	hash.Write(h.sum[:])
	hash.Write(line)
	hash.Sum(h.sum[:0])
}
