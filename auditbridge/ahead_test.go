package auditbridge

import (
	"bytes"
	"context"
	"io"
	"os"
	"testing"

	"auditbridge/journal/ring"
)

// The writer is never held back while we get ready, and finds nothing changed
// when we are.
func TestAheadHoldsWhatComesBeforeItIsRead(t *testing.T) {
	from, to := pipe(t)
	a := ReadAhead(from, 1<<20)
	early := bytes.Repeat([]byte("early\n"), 100_000) // more than any pipe holds
	if _, err := to.Write(early); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, len(early))
	if _, err := io.ReadFull(a, got); err != nil || !bytes.Equal(got, early) {
		t.Fatalf("read %.20q… and %v", got, err)
	}
	to.WriteString("late\n")
	to.Close()
	if rest, err := io.ReadAll(a); string(rest) != "late\n" || err != nil {
		t.Errorf("then came %q, %v", rest, err)
	}
}

// Beyond its limit it is the pipe that holds, and nothing is lost.
func TestAheadStopsAtItsLimit(t *testing.T) {
	from, to := pipe(t)
	a := ReadAhead(from, 100_000)
	sent := bytes.Repeat([]byte("line\n"), 200_000)
	go func() {
		to.Write(sent)
		to.Close()
	}()
	<-a.ended
	if len(a.held) > 100_000+64<<10 {
		t.Errorf("holds %d bytes", len(a.held))
	}
	if got, err := io.ReadAll(a); !bytes.Equal(got, sent) || err != nil {
		t.Errorf("read %d bytes of %d, %v", len(got), len(sent), err)
	}
}

// Stopped before anything was stored, the source stores what was read ahead.
func TestLinesStoppedAtOnceKeepWhatWasReadAhead(t *testing.T) {
	from, to := pipe(t)
	to.WriteString("one\ntwo\n")
	r, err := ring.Open(ring.Config{})
	if err != nil {
		t.Fatal(err)
	}
	defer r.Unmap()
	a := ReadAhead(from, 1<<20)
	l, err := OpenLines(a, Pressure{}, r)
	if err != nil {
		t.Fatal(err)
	}
	ctx, stop := context.WithCancel(t.Context())
	stop()
	if err := l.Run(ctx); err != nil {
		t.Fatal(err)
	}
	if got := string(r.Pending()); got != "one\ntwo\n" {
		t.Errorf("stored %q", got)
	}
}

func pipe(t *testing.T) (from, to *os.File) {
	t.Helper()
	from, to, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { from.Close(); to.Close() })
	return from, to
}
