package config

import (
	"errors"
	"io/fs"
	"slices"

	"auditbridge/internal/problem"
)

// What is wrong has the same form in every file that people write for us.
type (
	Position = problem.Position
	Problem  = problem.Problem
)

// Problems is every problem found, in the order of files and lines.
type Problems problem.List

func (p Problems) Error() string { return problem.List(p).Error() }

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
	p := Problem{At: Position{File: name}, Cause: err}
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
