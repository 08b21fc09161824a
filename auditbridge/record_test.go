package auditbridge

import (
	"bytes"
	"strings"
	"testing"
)

func TestEscapedTextIsOneLineAndComesBack(t *testing.T) {
	for _, row := range []struct {
		name, text string
		enriched   bool
		want       string
	}{
		{"plain text stands", `op=login acct="a" res=success`, false, `op=login acct="a" res=success`},
		{"a backslash alone stands", `exe="C:\x0a"`, false, `exe="C:\x0a"`},
		{"bytes beyond ASCII stand", "acct=Größe\xff\x80", false, "acct=Größe\xff\x80"},
		{"newline", "a\nb", false, `a\x0Ab ab-esc=1`},
		{"NUL, ESC, DEL", "\x00\x1b\x7f", false, `\x00\x1B\x7F ab-esc=1`},
		{"backslash in escaped text", "\\x0A\n", false, `\x5Cx0A\x0A ab-esc=1`},
		{"what ends like escaped text", "a ab-esc=1", false, "a ab-esc=1 ab-esc=1"},
		{"what ends so and has a backslash", `a\ ab-esc=1`, false, `a\x5C ab-esc=1 ab-esc=1`},
		{"separator from the kernel", "a\x1dAUID=\"x\"", false, `a\x1DAUID="x" ab-esc=1`},
		{"separator from auditd stands", "a\x1dAUID=\"x\"", true, "a\x1dAUID=\"x\""},
		{"only the first separator stands", "a\x1db\x1dc", true, "a\x1db\\x1Dc ab-esc=1"},
		{"separator and newline", "a\x1db\n", true, "a\x1db\\x0A ab-esc=1"},
		{"empty", "", false, ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			got := string(AppendEscaped(nil, []byte(row.text), row.enriched))
			if got != row.want {
				t.Errorf("escaped %q, want %q", got, row.want)
			}
			if back := string(AppendUnescaped(nil, []byte(got))); back != row.text {
				t.Errorf("unescaped %q, want %q", back, row.text)
			}
		})
	}
}

func TestEveryControlByteIsFoundAtEveryPlace(t *testing.T) {
	for length := range 20 {
		for at := range length {
			for c := range 256 {
				text := bytes.Repeat([]byte{0xff}, length)
				text[at] = byte(c)
				if holdsControl(text) != isControl(byte(c)) {
					t.Fatalf("byte %#x at %d of %d: control %v", c, at, length, holdsControl(text))
				}
			}
		}
	}
}

func TestLineFitsIntoMaxLine(t *testing.T) {
	worst := AppendLine(nil, 65535, bytes.Repeat([]byte{1}, MaxText))
	if len(worst) > MaxLine {
		t.Errorf("a line of %d bytes", len(worst))
	}
	if !strings.HasPrefix(string(worst), "type=UNKNOWN[65535] msg=") {
		t.Errorf("line begins %q", worst[:40])
	}
}

func FuzzEscape(f *testing.F) {
	for _, seed := range []string{"", "plain", "a\nb\\", "x ab-esc=1", "a\x1db\x1d\x7f", `\x0A`, "\xff\x00 ab-esc=1"} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, text []byte, enriched bool) {
		escaped := AppendEscaped(nil, text, enriched)
		if back := AppendUnescaped(nil, escaped); !bytes.Equal(back, text) {
			t.Errorf("%q became %q and %q", text, escaped, back)
		}
		separator := bytes.IndexByte(text, 0x1d)
		for _, c := range escaped {
			if isControl(c) && !(enriched && c == 0x1d) {
				t.Errorf("%q holds control byte %#x", escaped, c)
			}
		}
		if enriched && separator >= 0 && bytes.Count(escaped, []byte{0x1d}) != 1 {
			t.Errorf("%q does not hold one separator", escaped)
		}
		if len(escaped) > 4*len(text)+len(escMark) {
			t.Errorf("%d bytes became %d", len(text), len(escaped))
		}
		again := AppendEscaped([]byte("before"), text, enriched)
		if string(again) != "before"+string(escaped) {
			t.Errorf("appended %q", again)
		}
	})
}

func TestFormattingAllocatesNothing(t *testing.T) {
	dst := make([]byte, 0, MaxLine)
	for _, text := range [][]byte{[]byte(syscallText), []byte("audit(1.000:1): a\nb")} {
		if n := testing.AllocsPerRun(1000, func() { dst = AppendLine(dst[:0], 1300, text) }); n != 0 {
			t.Errorf("%v allocations for %q", n, text)
		}
	}
}

const syscallText = `audit(1709742929.678:2340): arch=c000003e syscall=121 success=no exit=-3 a0=f423f a1=7ffd0a8c0d18 a2=7ffd0a8c0d30 a3=0 ` +
	`items=0 ppid=700 pid=701 auid=4294967295 uid=0 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=4294967295 ` +
	`comm="gen" exe="/tmp/gen" subj=unconfined key="bench"`

func BenchmarkAppendLine(b *testing.B) {
	text, dst := []byte(syscallText), make([]byte, 0, MaxLine)
	b.ReportAllocs()
	b.SetBytes(int64(len(text)))
	for b.Loop() {
		dst = AppendLine(dst[:0], 1300, text)
	}
}
