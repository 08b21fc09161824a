package interpret

import (
	"os"
	"regexp"
	"slices"
	"strings"
	"testing"
)

// differences are the rows of parts of testdata/differences.txt.
type differences struct {
	rows  []difference
	used  []bool
	first map[string]bool
}

type difference struct {
	part         string
	line         int
	kind, key    *regexp.Regexp
	theirs, ours *regexp.Regexp // nil for the value as it is written
	more         bool           // ours says all that theirs does, and more
}

func (d *difference) isOf(p pair) bool {
	if d.more {
		return matches(d.kind, p.kind, "") && matches(d.key, p.key, "") && matches(d.theirs, p.theirs, p.raw) && saysMore(p.ours, p.theirs)
	}
	return matches(d.kind, p.kind, "") && matches(d.key, p.key, "") && matches(d.theirs, p.theirs, p.raw) && matches(d.ours, p.ours, p.raw)
}

// saysMore reports whether all names in theirs stand in ours, with others.
func saysMore(ours, theirs string) bool {
	names := strings.Split(ours, "|")
	for name := range strings.SplitSeq(theirs, "|") {
		if !slices.Contains(names, name) {
			return false
		}
	}
	return true
}

func matches(re *regexp.Regexp, text, raw string) bool {
	if re == nil {
		return text == raw
	}
	return re.MatchString(text)
}

func readDifferences(t *testing.T, parts ...string) *differences {
	t.Helper()
	text, err := os.ReadFile("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	d := &differences{first: map[string]bool{}}
	now, reason, n := "", "", 0
	for line := range strings.Lines(string(text)) {
		n++
		line = strings.TrimSpace(line)
		switch {
		case line == "":
			reason = ""
		case strings.HasPrefix(line, "["):
			now = strings.Trim(line, "[]")
		case strings.HasPrefix(line, "#"):
			reason = line
		default:
			words := strings.Fields(line)
			if len(words) != 4 || reason == "" {
				t.Fatalf("differences.txt:%d: want TYPE KEY THEIRS OURS below a reason, have %q", n, line)
			}
			var re [4]*regexp.Regexp
			for i, word := range words {
				if word != "RAW" && word != "MORE" {
					re[i] = regexp.MustCompile("^(?s:" + word + ")$")
				}
			}
			if slices.Contains(parts, now) {
				d.rows = append(d.rows, difference{now, n, re[0], re[1], re[2], re[3], words[3] == "MORE"})
			}
		}
	}
	d.used = make([]bool, len(d.rows))
	return d
}

// account finds the row that a difference is of.
func (d *differences) account(t *testing.T, source string, line []byte, p pair) {
	t.Helper()
	for i, row := range d.rows {
		if row.isOf(p) {
			d.used[i] = true
			return
		}
	}
	if key := p.kind + p.key + p.theirs + p.ours; !d.first[key] {
		d.first[key] = true
		t.Errorf("%s: %s %s\n  ausearch %q\n      ours %q\n  %s", source, p.kind, p.key, p.theirs, p.ours, line)
	}
}

// check fails on rows of a part that no difference is of.
func (d *differences) check(t *testing.T, part string) {
	t.Helper()
	for i, row := range d.rows {
		if !d.used[i] && row.part == part {
			t.Errorf("differences.txt:%d: no such difference", row.line)
		}
	}
}
