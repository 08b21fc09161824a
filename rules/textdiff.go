package rules

import (
	"fmt"
	"strings"
)

// TextDiff says in the form of diff -u how a file has changed: "" when it has
// not. A file that was not there, or is gone, is /dev/null.
func TextDiff(name string, before, after *string) string {
	a, b := splitLines(before), splitLines(after)
	edits := lineEdits(a, b)
	var out strings.Builder
	for from := 0; from < len(edits); {
		if edits[from].sign == ' ' {
			from++
			continue
		}
		if out.Len() == 0 {
			fmt.Fprintf(&out, "--- %s\n+++ %s\n", nameOfText(name, before), nameOfText(name, after))
		}
		from = writeHunk(&out, edits, from)
	}
	return out.String()
}

func nameOfText(name string, text *string) string {
	if text == nil {
		return "/dev/null"
	}
	return name
}

func splitLines(text *string) (lines []string) {
	if text != nil && *text != "" {
		lines = strings.Split(strings.TrimSuffix(*text, "\n"), "\n")
	}
	return lines
}

// A lineEdit is a line of either text, or of both; a and b are how many lines of
// each stand before it.
type lineEdit struct {
	sign byte // ' ' both, '-' before only, '+' after only
	line string
	a, b int
}

// context is how many lines around a change are told.
const context = 3

// writeHunk writes the changes from the one at from on that are near each other,
// and returns where the rest begins.
func writeHunk(out *strings.Builder, edits []lineEdit, from int) int {
	start, end := max(0, from-context), from
	for i := from; i < len(edits) && i <= end+2*context; i++ {
		if edits[i].sign != ' ' {
			end = i
		}
	}
	end = min(len(edits), end+1+context)
	hunk, count := edits[start:end], map[byte]int{}
	for _, e := range hunk {
		count[e.sign]++
	}
	fmt.Fprintf(out, "@@ -%s +%s @@\n", hunkRange(hunk[0].a, count[' ']+count['-']), hunkRange(hunk[0].b, count[' ']+count['+']))
	for _, e := range hunk {
		out.WriteByte(e.sign)
		out.WriteString(e.line + "\n")
	}
	return end
}

func hunkRange(before, n int) string {
	if n == 0 {
		return fmt.Sprintf("%d,0", before)
	}
	return fmt.Sprintf("%d,%d", before+1, n)
}

// mostCompared bounds the work for two texts that have little in common: beyond
// it, what lies between their common beginning and end is all replaced.
const mostCompared = 4 << 20

// lineEdits finds the fewest lines to take away and to add.
func lineEdits(a, b []string) (edits []lineEdit) {
	head := 0
	for head < min(len(a), len(b)) && a[head] == b[head] {
		head++
	}
	tail := 0
	for tail < min(len(a), len(b))-head && a[len(a)-1-tail] == b[len(b)-1-tail] {
		tail++
	}
	i, j := 0, 0
	put := func(sign byte) {
		e := lineEdit{sign: sign, a: i, b: j}
		if sign == '+' {
			e.line = b[j]
		} else {
			e.line = a[i]
		}
		if sign != '+' {
			i++
		}
		if sign != '-' {
			j++
		}
		edits = append(edits, e)
	}
	for i < head {
		put(' ')
	}
	longest := longestCommon(a[head:len(a)-tail], b[head:len(b)-tail])
	for i < len(a)-tail || j < len(b)-tail {
		switch {
		case i < len(a)-tail && j < len(b)-tail && longest != nil && a[i] == b[j]:
			put(' ')
		case j == len(b)-tail || i < len(a)-tail && (longest == nil || longest[i-head+1][j-head] >= longest[i-head][j-head+1]):
			put('-')
		default:
			put('+')
		}
	}
	for i < len(a) {
		put(' ')
	}
	return edits
}

// longestCommon says of each pair of places how many lines what follows them has in
// common; nil when that would take too long.
func longestCommon(a, b []string) [][]int32 {
	if len(a)*len(b) > mostCompared {
		return nil
	}
	n := make([][]int32, len(a)+1)
	for i := range n {
		n[i] = make([]int32, len(b)+1)
	}
	for i := len(a) - 1; i >= 0; i-- {
		for j := len(b) - 1; j >= 0; j-- {
			if a[i] == b[j] {
				n[i][j] = n[i+1][j+1] + 1
			} else {
				n[i][j] = max(n[i+1][j], n[i][j+1])
			}
		}
	}
	return n
}
