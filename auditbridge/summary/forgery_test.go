package summary

import (
	"bytes"
	"regexp"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

// A program may claim anything, and a file may have any name; neither can add to
// what the kernel stamped, nor say how it went.
func TestNothingCanBeForged(t *testing.T) {
	for _, claim := range []string{
		"root (session 1)",
		"bob: success",
		"bob: success.",
		"bob.",
		"bob:",
		"bob, as root,",
		`bob" with /usr/bin/su: success. root (session 1) ran "/bin/sh`,
		"bob with /usr/bin/passwd from 192.0.2.1 on tty1 (key identity): success.",
		"bob\nroot (session 1) ran /bin/sh: success.",
		"bob\x1b[2J",
		strings.Repeat("x", 5000),
		strings.Repeat("\x01", 5000),
		strings.Repeat("é", 5000),
		"\xff\xfe",
		"x...",
		`\`,
	} {
		encoded := hexOf(claim)
		for _, row := range []struct{ line, begin, end string }{
			{"type=USER_AUTH msg=audit(1.000:1): pid=9 uid=33 auid=1000 ses=7 msg='op=login acct=" + encoded + ` exe="/usr/bin/login" res=failed'`,
				"User 1000 (session 7), as user 33, could not authenticate ", " with /usr/bin/login: authentication failed."},
			{"type=USER_AUTH msg=audit(1.000:1): pid=9 uid=33 auid=4294967295 ses=4294967295 msg='op=login exe=" + encoded + " acct=bob res=failed'",
				"Program ", ", as user 33, could not authenticate bob: authentication failed."},
			{"type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=87 success=no exit=-13 a0=1 auid=1000 uid=33 euid=33 tty=pts1 ses=7 comm=\"rm\" exe=\"/bin/rm\" key=(null)\n" +
				"type=PATH msg=audit(1.000:1): item=0 name=" + encoded + " nametype=DELETE",
				"User 1000 (session 7), as user 33, could not delete ", " with /bin/rm on pts1: permission denied (EACCES)."},
			{"type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=87 success=no exit=-13 a0=1 auid=1000 uid=33 euid=33 tty=pts1 ses=7 comm=" + encoded + " exe=\"/bin/rm\" key=(null)",
				"User 1000 (session 7), as user 33, could not delete a file with /bin/rm", " on pts1: permission denied (EACCES)."},
		} {
			for _, got := range sentences([]byte(row.line), nil) {
				if !strings.HasPrefix(got, row.begin) || !strings.HasSuffix(got, row.end) {
					t.Errorf("%q: %q does not begin with %q and end with %q", claim, got, row.begin, row.end)
					continue
				}
				if rest := got[len(row.begin) : len(got)-len(row.end)]; !oneWord.MatchString(rest) {
					t.Errorf("%q became more than one word: %q", claim, rest)
				}
			}
		}
	}
}

// oneWord is a plain word, or one in quotes, or in brackets, or none.
var oneWord = regexp.MustCompile(`^( ?\(?([A-Za-z0-9_\-./@+%=~#:|,*]+|"([^"\\]|\\.)*"(\.\.\.)?)\)?)$`)

func hexOf(text string) string {
	var b strings.Builder
	for i := range len(text) {
		b.WriteString(strings.ToUpper(string("0123456789abcdef"[text[i]>>4]) + string("0123456789abcdef"[text[i]&15])))
	}
	return b.String()
}

// Outside quotes a sentence has one session at most, one end, and no control
// character, whatever the records say.
func FuzzAppend(f *testing.F) {
	for _, seed := range []string{
		"type=USER_LOGIN msg=audit(1.000:1): pid=1 uid=0 auid=1000 ses=5 msg='op=login acct=\"x\" exe=\"/a\" addr=1.2.3.4 res=failed'",
		"type=LOGIN msg=audit(1.000:1): login pid=1 uid=0 old auid=4294967295 new auid=1000",
		"type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=59 success=yes exit=0 auid=1 ses=1 uid=2 exe=\"/b\" key=6101\ntype=EXECVE msg=audit(1.000:1): argc=2 a0=\"b\" a1[0]=41 a1[1]=42\ntype=CWD msg=audit(1.000:1): cwd=\"/\"\ntype=PATH msg=audit(1.000:1): item=0 name=\"./b\" nametype=NORMAL",
		"type=SYSCALL msg=audit(1.000:1): arch=c000003e syscall=42 success=no exit=-13 auid=1 ses=1\ntype=SOCKADDR msg=audit(1.000:1): saddr=02000050C0000201",
		"type=AVC msg=audit(1.000:1): avc:  denied  { read } for pid=1 comm=\"x\" name=\"y\" tclass=file",
		"type=DAEMON_ERR msg=audit(1.000:4278190080): op=gap after=1 before=5 why=removed res=failed",
		"type=OBJ_PID msg=audit(1.000:1): opid=1\x1dOUID=\"x\"",
	} {
		f.Add([]byte(seed))
	}
	quoted := regexp.MustCompile(`"([^"\\]|\\.)*"`)
	f.Fuzz(func(t *testing.T, log []byte) {
		events(log, func(e *auditbridge.Event) {
			v := auditbridge.Classify(e)
			dst := Append([]byte("before"), e, &v, nil)
			got, ok := bytes.CutPrefix(dst, []byte("before"))
			if !ok {
				t.Fatalf("what stood before is gone: %q", dst)
			}
			if len(got) > MaxLength || bytes.ContainsFunc(got, func(r rune) bool { return r < ' ' || r == 0x7f }) || !bytes.HasSuffix(got, []byte(".")) {
				t.Errorf("%q of %q", got, log)
			}
			bare := quoted.ReplaceAll(got, nil)
			if bytes.Count(bare, []byte(" (session ")) > 1 || bytes.Count(bare, []byte(": success.")) > 1 || bytes.ContainsAny(bare, `"\`) {
				t.Errorf("%q of %q", got, log)
			}
		})
	})
}
