package seal

import (
	"bytes"
	"sort"
)

// lines is a run of whole lines in one buffer, each with its LF, and where in
// the input each stood. Its memory is used again.
type lines struct {
	buf  []byte
	ends []int   // of each line in buf, its LF included
	at   []int64 // line number in the input
}

func (l *lines) len() int { return len(l.ends) }

func (l *lines) add(line []byte, at int64) {
	l.buf = append(append(l.buf, line...), '\n')
	l.ends = append(l.ends, len(l.buf))
	l.at = append(l.at, at)
}

func (l *lines) reset() {
	l.buf, l.ends, l.at = l.buf[:0], l.ends[:0], l.at[:0]
}

// start is the offset in buf at which line i begins.
func (l *lines) start(i int) int {
	if i == 0 {
		return 0
	}
	return l.ends[i-1]
}

// line returns line i with its LF.
func (l *lines) line(i int) []byte { return l.buf[l.start(i):l.ends[i]] }

// span returns the bytes of lines from … to-1.
func (l *lines) span(from, to int) []byte { return l.buf[l.start(from):l.start(to)] }

// slice returns a copy of lines from … to-1.
func (l *lines) slice(from, to int) *lines {
	s := &lines{}
	for i := from; i < to; i++ {
		s.take(l, i)
	}
	return s
}

// without returns a copy without lines from … to-1.
func (l *lines) without(from, to int) *lines {
	s := l.slice(0, from)
	for i := to; i < l.len(); i++ {
		s.take(l, i)
	}
	return s
}

// keep returns a copy of the lines for which want holds.
func (l *lines) keep(want func(line []byte) bool) *lines {
	s := &lines{}
	for i := range l.len() {
		if want(l.line(i)) {
			s.take(l, i)
		}
	}
	return s
}

// find returns which line equals line, with its LF, the first; -1 when none does.
func (l *lines) find(line []byte) int {
	for from := 0; ; {
		at := bytes.Index(l.buf[from:], line)
		if at < 0 {
			return -1
		}
		if at += from; at == 0 || l.buf[at-1] == '\n' {
			return sort.SearchInts(l.ends, at+1)
		}
		from = at + 1
	}
}

func (l *lines) take(from *lines, i int) {
	line := from.line(i)
	l.add(line[:len(line)-1], from.at[i])
}

// commonSuffix is how many lines l and other have in common at their ends.
func (l *lines) commonSuffix(other *lines) int {
	n := 0
	for n < l.len() && n < other.len() &&
		bytes.Equal(l.line(l.len()-1-n), other.line(other.len()-1-n)) {
		n++
	}
	return n
}
