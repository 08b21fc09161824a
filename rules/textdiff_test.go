package rules

import (
	"fmt"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

func TestTextDiff(t *testing.T) {
	for _, test := range []struct{ before, after, want string }{
		{"a\n", "a\n", ""},
		{"", "a\n", "@@ -0,0 +1,1 @@\n+a\n"},
		{"a\nb\n", "", "@@ -1,2 +0,0 @@\n-a\n-b\n"},
		{"1\n2\n3\n4\n5\n6\n7\n8\n9\n", "1\n2\n3\n4\nfive\n6\n7\n8\n9\n", "@@ -2,7 +2,7 @@\n 2\n 3\n 4\n-5\n+five\n 6\n 7\n 8\n"},
	} {
		got := TextDiff("f", &test.before, &test.after)
		if test.want != "" {
			test.want = "--- f\n+++ f\n" + test.want
		}
		if got != test.want {
			t.Errorf("%q to %q:\n%s\nwant\n%s", test.before, test.after, got, test.want)
		}
	}
	text := "x\n"
	if got := TextDiff("f", nil, &text); !strings.HasPrefix(got, "--- /dev/null\n+++ f\n") {
		t.Errorf("a new file: %s", got)
	}
}

// TestTextDiffSaysHowToMakeTheLaterText of the earlier one.
func TestTextDiffSaysHowToMakeTheLaterText(t *testing.T) {
	lines := rapid.SliceOfN(rapid.SampledFrom([]string{"-D", "-b 1", "a", "b", "c"}), 0, 30)
	rapid.Check(t, func(t *rapid.T) {
		before, after := joinLines(lines.Draw(t, "before")), joinLines(lines.Draw(t, "after"))
		diff := TextDiff("f", &before, &after)
		if (diff == "") != (before == after) {
			t.Fatalf("%q to %q: %q", before, after, diff)
		}
		if got := applyDiff(t, before, diff); got != after {
			t.Fatalf("%q and\n%sgive %q, want %q", before, diff, got, after)
		}
	})
}

func joinLines(lines []string) string {
	if len(lines) == 0 {
		return ""
	}
	return strings.Join(lines, "\n") + "\n"
}

// applyDiff does what patch(1) does, where nothing has moved.
func applyDiff(t *rapid.T, before, diff string) string {
	have, after, at := splitLines(&before), []string(nil), 0
	for line := range strings.Lines(diff) {
		line = strings.TrimSuffix(line, "\n")
		var first, n, x, y int
		switch {
		case line == "--- f" || line == "+++ f":
		case strings.HasPrefix(line, "@@"):
			if _, err := fmt.Sscanf(line, "@@ -%d,%d +%d,%d @@", &first, &n, &x, &y); err != nil {
				t.Fatalf("%s: %v", line, err)
			}
			for ; n > 0 && at < first-1 || n == 0 && at < first; at++ {
				after = append(after, have[at])
			}
		case line[0] == '+':
			after = append(after, line[1:])
		default:
			if have[at] != line[1:] {
				t.Fatalf("line %d is %q, and not %q", at+1, have[at], line[1:])
			}
			if line[0] == ' ' {
				after = append(after, line[1:])
			}
			at++
		}
	}
	return joinLines(append(after, have[at:]...))
}
