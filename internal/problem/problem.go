// Package problem says what is wrong with the files that people write for us, in
// the same words and the same JSON whichever files they are: where it stands, what
// it is, and what to do about it.
package problem

import (
	"fmt"
	"strings"
)

// Position is a place in a file; Line and Column count from 1, columns in bytes. A
// Line of 0 is the file as a whole.
type Position struct {
	File   string `json:"file"`
	Line   int    `json:"line,omitempty"`
	Column int    `json:"column,omitempty"`
}

func (p Position) String() string {
	if p.Line == 0 {
		return p.File
	}
	return fmt.Sprintf("%s:%d:%d", p.File, p.Line, p.Column)
}

// Problem is one thing that is wrong with a file, or unwise.
type Problem struct {
	At   Position `json:"at"`
	Key  string   `json:"key,omitempty"` // which setting, in files that have such
	What string   `json:"what"`
	Hint string   `json:"hint,omitempty"` // what to do about it

	Cause error `json:"-"` // the file system's error, if that was the problem
}

func (p Problem) Unwrap() error { return p.Cause }

func (p Problem) Error() string {
	var b strings.Builder
	if p.At.File != "" {
		b.WriteString(p.At.String() + ": ")
	}
	if p.Key != "" {
		b.WriteString(p.Key + ": ")
	}
	b.WriteString(p.What)
	return b.String()
}

// List is all that was found, in the order of files and lines.
type List []Problem

func (l List) Error() string {
	lines := make([]string, len(l))
	for i := range l {
		lines[i] = l[i].Error()
	}
	return strings.Join(lines, "\n")
}
