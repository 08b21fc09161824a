package rules

import (
	"errors"
	"fmt"
	"strings"
)

// Position is a place in a rule file; Line and Column count from 1, columns in
// bytes.
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

// Problem is one thing that is wrong with a rule file, or unwise.
type Problem struct {
	At   Position `json:"at"`
	What string   `json:"what"`
	Hint string   `json:"hint,omitempty"`
}

func (p Problem) Error() string { return p.At.String() + ": " + p.What }

// Problems are all that was found, in the order of the files.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// complaint is a problem that does not know its place yet.
type complaint struct{ what, hint string }

func (c *complaint) Error() string { return c.what }

func complain(format string, args ...any) *complaint {
	return &complaint{what: fmt.Sprintf(format, args...)}
}

func (c *complaint) advise(format string, args ...any) *complaint {
	c.hint = fmt.Sprintf(format, args...)
	return c
}

// meant proposes the word that is nearest to what was written.
func (c *complaint) meant(word string) *complaint {
	if word != "" {
		c.hint = fmt.Sprintf("did you mean %q?", word)
	}
	return c
}

// at gives an error its place, unless it has one.
func at(where Position, err error) Problem {
	if p, placed := err.(Problem); placed {
		return p
	}
	var c *complaint
	if errors.As(err, &c) {
		return Problem{where, c.what, c.hint}
	}
	return Problem{At: where, What: err.Error()}
}
