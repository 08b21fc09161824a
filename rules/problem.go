package rules

import (
	"errors"
	"fmt"

	"auditbridge/internal/problem"
)

// What is wrong has the same form in every file that people write for us. Problems
// are in the order of the files.
type (
	Position = problem.Position
	Problem  = problem.Problem
	Problems = problem.List
)

// complaint is a problem that does not know its place yet.
type complaint struct{ what, hint string }

func (c *complaint) Error() string { return c.what }

// Hint tells an operator what to do; "" when it is plain.
func (c *complaint) Hint() string { return c.hint }

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
		return Problem{At: where, What: c.what, Hint: c.hint}
	}
	return Problem{At: where, What: err.Error()}
}
