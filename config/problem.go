package config

import (
	"errors"
	"fmt"
	"io/fs"
	"slices"
	"strings"
)

// Position is a place in a configuration file; Line and Column count from 1,
// 0 means the file as a whole.
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

// Problem is one thing that is wrong, or unwise, and what to do about it.
type Problem struct {
	At   Position `json:"at"`
	Key  string   `json:"key,omitempty"`
	What string   `json:"what"`
	Hint string   `json:"hint,omitempty"`

	cause error
}

// Unwrap is the file system's error, if that was the problem.
func (p Problem) Unwrap() error { return p.cause }

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

// Problems is every problem found, in the order of files and lines.
type Problems []Problem

func (p Problems) Error() string {
	lines := make([]string, len(p))
	for i := range p {
		lines[i] = p[i].Error()
	}
	return strings.Join(lines, "\n")
}

// Hint is the first problem's: the command line shows one hint.
func (p Problems) Hint() string {
	for _, one := range p {
		if one.Hint != "" {
			return one.Hint
		}
	}
	return "auditbridge check lists every problem with a hint"
}

// ExitCode is that of a usage error.
func (p Problems) ExitCode() int { return 2 }

func (p Problems) sort(files []string) {
	slices.SortStableFunc(p, func(a, b Problem) int {
		if d := slices.Index(files, a.At.File) - slices.Index(files, b.At.File); d != 0 {
			return d
		}
		return a.At.Line - b.At.Line
	})
}

func asProblem(name string, err error) Problem {
	p := Problem{At: Position{File: name}, cause: err}
	var path *PathError
	var file *fs.PathError
	switch {
	case errors.As(err, &path):
		p.What, p.Hint = path.what(name), path.Hint
	case errors.Is(err, fs.ErrNotExist):
		p.What = "no such configuration file"
		p.Hint = "start from packaging/auditbridge.toml, or name another file with --config FILE"
	case errors.As(err, &file):
		p.What = "cannot read the configuration: " + file.Err.Error()
	default:
		p.What = "cannot read the configuration: " + err.Error()
	}
	return p
}
