package main

import (
	"encoding/json"
	"fmt"
	"io"
	"strings"

	"auditbridge/internal/problem"
	"auditbridge/internal/terminal"
)

// What commands print alike. Text of others' goes through terminal.

// writeIndented prints v as JSON for people to read, too.
func writeIndented(w io.Writer, v any) error {
	e := json.NewEncoder(w)
	e.SetIndent("", "  ")
	e.SetEscapeHTML(false)
	return e.Encode(v)
}

// writeProblem says what is wrong with a file, and below it what to do. kind is
// error or warning.
func writeProblem(w io.Writer, kind string, p problem.Problem) {
	fmt.Fprintf(w, "%s: %s\n", kind, terminal.Safe(p.Error()))
	if p.Hint != "" {
		fmt.Fprintf(w, "  hint: %s\n", terminal.Safe(p.Hint))
	}
}

// writeLines prints text that came from files or from the kernel.
func writeLines(w io.Writer, text string) error {
	for line := range strings.Lines(text) {
		if _, err := fmt.Fprintln(w, terminal.Safe(strings.TrimSuffix(line, "\n"))); err != nil {
			return err
		}
	}
	return nil
}

// count is a number of things in words.
func count(n int, thing string) string {
	if n == 1 {
		return "1 " + thing
	}
	return fmt.Sprintf("%d %ss", n, thing)
}
