package seal

import (
	"fmt"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"
)

// stream is a journal's raw stream as a test writes it.
type stream struct {
	t      testing.TB
	w      *Writer
	key    *PrivateKey
	at     time.Time
	serial uint32
	event  int
	lines  []string // without LF; lines[i] has sequence i+1 unless Skip was used
}

func newStream(t testing.TB) *stream {
	return &stream{t: t, w: NewWriter(1, Hash{}), key: mustKey(t, Ed25519), at: time.Unix(1709742900, 0), serial: auditbridge.FirstNoteSerial}
}

func (s *stream) add(line string) *stream {
	s.w.Write([]byte(line+"\n"), 1)
	s.lines = append(s.lines, line)
	return s
}

// records writes n kernel records.
func (s *stream) records(n int) *stream {
	for range n {
		s.event++
		s.at = s.at.Add(100 * time.Millisecond)
		s.add(fmt.Sprintf("type=SYSCALL msg=audit(%d.%03d:%d): arch=c000003e syscall=59 success=yes exit=%d",
			s.at.Unix(), s.at.Nanosecond()/1e6, s.event, s.event*7))
	}
	return s
}

// note writes a line of the journal's own.
func (s *stream) note(kind, text string) *stream {
	s.serial++
	return s.add(fmt.Sprintf("type=%s msg=audit(%d.%03d:%d): %s res=success", kind, s.at.Unix(), s.at.Nanosecond()/1e6, s.serial-1, text))
}

// header writes what begins a segment.
func (s *stream) header() *stream {
	return s.note("DAEMON_CONFIG", fmt.Sprintf("op=segment format=1 journal=7c1e first=%d", s.w.Next()))
}

// later lets time pass.
func (s *stream) later(d time.Duration) *stream {
	s.at = s.at.Add(d)
	return s
}

func (s *stream) block() *stream      { return s.close(Block{}, nil) }
func (s *stream) checkpoint() *stream { return s.close(Block{}, s.key) }

// changeKey announces a key and goes over to it.
func (s *stream) changeKey(algorithm Algorithm) *stream {
	next := mustKey(s.t, algorithm)
	s.close(Block{Next: next.Public()}, s.key)
	s.key = next
	return s
}

func (s *stream) close(b Block, signer Signer) *stream {
	s.t.Helper()
	b.At, b.Serial, b.PID, b.Boot, b.Source = s.at, s.serial, 7, "5f2b1c3a", "kernel"
	s.serial++
	line, err := s.w.Close(nil, &b, signer)
	if err != nil {
		s.t.Fatal(err)
	}
	s.w.Closed()
	s.lines = append(s.lines, strings.TrimSuffix(string(line), "\n"))
	return s
}

func verify(opts Options, lines ...string) Report {
	v := NewVerifier(opts)
	for _, line := range lines {
		v.Line([]byte(line))
	}
	return v.Finish()
}

// fiveBlocks is 5 blocks of 4 records, blocks 2 and 4 being checkpoints:
// sequences 1–5, 6–10, 11–15, 16–20, 21–25, and 2 records behind.
func fiveBlocks(t testing.TB) *stream {
	return newStream(t).records(4).block().records(4).checkpoint().
		records(4).block().records(4).checkpoint().records(4).block().records(2)
}

func splice(parts ...[]string) []string {
	var all []string
	for _, p := range parts {
		all = append(all, p...)
	}
	return all
}
