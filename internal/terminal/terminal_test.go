package terminal

import (
	"strings"
	"testing"
	"unicode"
	"unicode/utf8"
)

func TestForeignTextOnlyShowsItself(t *testing.T) {
	for _, row := range []struct{ name, in, want string }{
		{"plain ASCII stands", "comm=sshd", "comm=sshd"},
		{"letters of any language stand", "Grüße, 世界", "Grüße, 世界"},
		{"a backslash stands", `a\b`, `a\b`},
		{"nothing stays nothing", "", ""},
		{"an escape sequence cannot recolour", "\x1b[31mred", `\x1B[31mred`},
		{"a window title cannot be set", "\x1b]0;x\x07", `\x1B]0;x\x07`},
		{"a line cannot be begun", "a\nb", `a\x0Ab`},
		{"a line cannot be overwritten", "good\rbad", `good\x0Dbad`},
		{"NUL and DEL are seen", "\x00\x7f", `\x00\x7F`},
		{"C1 controls are seen", "\u009b31m", `\u{009B}31m`},
		{"a lone C1 byte is not UTF-8", "\x9b31m", `\x9B31m`},
		{"reading direction stays", "a\u202egpj.exe", `a\u{202E}gpj.exe`},
		{"isolates are seen", "\u2066x\u2069", `\u{2066}x\u{2069}`},
		{"the Arabic letter mark is seen", "\u061c", `\u{061C}`},
		{"zero width is seen", "a\u200bb", `a\u{200B}b`},
		{"line and paragraph separators are seen", "\u2028\u2029", `\u{2028}\u{2029}`},
		{"tag characters are seen", "\U000E0041", `\u{E0041}`},
		{"broken UTF-8 is seen byte by byte", "a\xe4\xb8z", `a\xE4\xB8z`},
		{"the replacement character is named", "\ufffd", `\u{FFFD}`},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got := Safe(row.in); got != row.want {
				t.Errorf("Safe(%q) = %q, want %q", row.in, got, row.want)
			}
		})
	}
}

func TestSafeLinesKeepsOnlyLineFeeds(t *testing.T) {
	if got, want := SafeLines("a\n\tb\r\n"), "a\n"+`\x09b\x0D`+"\n"; got != want {
		t.Errorf("got %q, want %q", got, want)
	}
}

func FuzzSafe(f *testing.F) {
	f.Add("\x1b[31m\u202e\xff")
	f.Fuzz(func(t *testing.T, s string) {
		got := Safe(s)
		if !utf8.ValidString(got) {
			t.Fatalf("%q is not UTF-8", got)
		}
		for _, r := range got {
			if !unicode.IsPrint(r) {
				t.Fatalf("%q holds %U", got, r)
			}
		}
		if Safe(got) != got {
			t.Fatalf("%q is not safe at once", got)
		}
	})
}

// Whatever pieces text is written in, what shows is what Safe makes of its lines.
func TestWriterEscapesAcrossWrites(t *testing.T) {
	const in = "Grüße\x1b[31m\n\x9b世\u202e\n\ttab\xe4"
	want := SafeLines(in)
	for size := 1; size <= len(in); size++ {
		var shown strings.Builder
		w := NewWriter(&shown)
		for rest := in; rest != ""; {
			piece := rest[:min(size, len(rest))]
			if n, err := w.Write([]byte(piece)); n != len(piece) || err != nil {
				t.Fatal(n, err)
			}
			rest = rest[len(piece):]
		}
		if err := w.Flush(); err != nil || shown.String() != want {
			t.Errorf("in pieces of %d: %q, %v, want %q", size, shown.String(), err, want)
		}
	}
}
