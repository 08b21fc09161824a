package auditbridge

import (
	"bytes"
	"fmt"
	"strings"
	"testing"
)

// scan writes the fields of text as key=value|form, one after another.
func scan(text string) string {
	var out []string
	for f := ScanFields([]byte(text)); f.Next(); {
		out = append(out, fmt.Sprintf("%s=%s%c", f.Key, f.Value, `.d'{`[f.Form]))
	}
	return strings.Join(out, " ")
}

func TestFields(t *testing.T) {
	for _, row := range []struct{ text, want string }{
		{`pid=1 comm="a b" tty=(none)`, `pid=1. comm=a bd tty=(none).`},
		{"", ""},
		{"   ", ""},
		{`a=1  b=2 a=3 `, `a=1. b=2. a=3.`},
		{`avc:  denied  { read write } for  pid=1`, `=avc:. =denied. =read write{ =for. pid=1.`},
		{`error_msg='it failed' res=1`, `error_msg=it failed' res=1.`},
		{`SADDR={ saddr_fam=inet laddr=192.0.2.1 } X=1`, `SADDR=saddr_fam=inet laddr=192.0.2.1{ X=1.`},
		{`a0="x" a1[0]=41 a1[1]="y" a1_len=8999`, `a0=xd a1[0]=41. a1[1]=yd a1_len=8999.`},
		{`old auid=1 new auid=2`, `=old. auid=1. =new. auid=2.`},
		{`(hostname=?, addr=192.0.2.1, res=failed)`, `hostname=?. addr=192.0.2.1. res=failed.`},
		{`key=(null)`, `key=(null).`},
		{`a="unclosed b=1`, `a="unclosed. b=1.`},
		{`a= b=`, `a=. b=.`},
		{`=x ==`, `==x. ===.`},
		{`rule="op=EXECUTE action=DENY"`, `rule=op=EXECUTE action=DENYd`},
		{"a=1\tb=2", `a=1. b=2.`},
	} {
		if got := scan(row.text); got != row.want {
			t.Errorf("%q\n got %s\nwant %s", row.text, got, row.want)
		}
	}
}

// What a program writes is never taken for what the kernel stamped, nor for
// what auditd resolved.
func TestWhoSaysWhat(t *testing.T) {
	const head = "type=USER_AUTH msg=audit(1.002:3): "
	for _, row := range []struct{ name, body, stamped, claimed, resolved string }{
		{"plain", `pid=1 auid=5 msg='op=x res=1'`, `pid=1. auid=5.`, `op=x. res=1.`, ``},
		{"a claimed auid", `pid=1 auid=5 msg='op=x' auid=0 msg='res=1'`, `pid=1. auid=5.`, `op=x'. auid=0. msg='res=1.`, ``},
		{"enriched", "pid=1 auid=5 msg='op=x'\x1dAUID=\"joe\"", `pid=1. auid=5.`, `op=x.`, `AUID=joed`},
		{"a forged separator was escaped with the real one", `pid=1 auid=5 msg='op=x` + "'\x1d" + `AUID="root" '\x1DAUID="joe" ab-esc=1`, `pid=1. auid=5.`, "op=x'\x1dAUID=\"root\". '\\x1DAUID=joed", ``},
		{"no message", `pid=1 auid=5`, `pid=1. auid=5.`, ``, ``},
		{"a message not quoted", `pid=1 msg=free text`, `pid=1.`, `=free. =text.`, ``},
		{"a quote not closed", `pid=1 msg='op=x res=1`, `pid=1.`, `op=x. res=1.`, ``},
		{"a blank behind it", `pid=1 msg='op=x res=1' `, `pid=1.`, `op=x. res=1.`, ``},
		{"only a message", `msg='op=x'`, ``, `op=x.`, ``},
		{"escaped", `pid=1 msg='op=a\x0Ab' ab-esc=1`, `pid=1.`, `op=a\x0Ab.`, ``},
		{"error_msg is a field", `pid=1 error_msg='x'`, `pid=1. error_msg=x'`, ``, ``},
		{"msg= in the enriched part", "pid=1\x1dX=\"a msg=\" Y=\"b\"", `pid=1.`, ``, `X=a msg=d Y=bd`},
	} {
		line := []byte(head + row.body)
		r := Record{Type: 1100, Line: line, Body: len(head)}
		stamped, claims, resolved := r.Stamped(), r.Claims(), r.Resolved()
		got := [3]string{scan(string(stamped.rest)), scan(string(claims.rest)), scan(string(resolved.rest))}
		if want := [3]string{row.stamped, row.claimed, row.resolved}; got != want {
			t.Errorf("%s:\n got %q\nwant %q", row.name, got, want)
		}
	}
}

func TestDecoding(t *testing.T) {
	for _, row := range []struct {
		kind string
		text string
		want string
	}{
		{"SYSCALL", `comm=6120622063`, "a b c"},
		{"SYSCALL", `comm="6120"`, "6120"},
		{"SYSCALL", `a0=6120`, "6120"},
		{"EXECVE", `a0=6120`, "a "},
		{"EXECVE", `a1[0]=6120`, "a "},
		{"EXECVE", `a1_len=6120`, "6120"},
		{"EXECVE", `argc=10`, "10"},
		{"SYSCALL", `key=(null)`, "(null)"},
		{"SYSCALL", `key=6101626`, "6101626"},
		{"SYSCALL", `key=610162`, "a\x01b"},
		{"PROCTITLE", `proctitle=6C73002D6C`, "ls -l"},
		{"PATH", `name=C3A4`, "ä"},
		{"PATH", `inode=4142`, "4142"},
		{"USER_LOGIN", `id=1000`, "1000"},
		{"USER_LOGIN", `acct=726F6F74`, "root"},
		{"USER_LOGIN", `acct=bad`, "bad"},
	} {
		kind, _ := ParseType([]byte(row.kind))
		f := ScanFields([]byte(row.text))
		f.Next()
		if got := string(f.AppendDecoded(nil, kind)); got != row.want {
			t.Errorf("%s %s is %q, want %q", row.kind, row.text, got, row.want)
		}
	}
}

// Keys and values lie in the text, one behind another, and what lies between
// is only blanks and what marks values.
func FuzzFields(f *testing.F) {
	f.Add([]byte(`pid=1 uid=0 msg='op=x acct="a b" (addr=?, res=1)'`))
	f.Add([]byte(`avc:  denied  { read } for  a="unclosed {`))
	f.Add([]byte("a= =b == '\x1dX={ y }"))
	f.Fuzz(func(t *testing.T, text []byte) {
		at := 0
		for s := ScanFields(text); s.Next(); {
			for _, part := range [][]byte{s.Key, s.Value} {
				i := bytes.Index(text[at:], part)
				if i < 0 {
					t.Fatalf("%q: %q is not in what is left", text, part)
				}
				if rest := bytes.Trim(text[at:at+i], " \t=\"'{}(),"); len(rest) > 0 {
					t.Fatalf("%q: %q was left out", text, rest)
				}
				at += i + len(part)
			}
		}
		if rest := bytes.Trim(text[at:], " \t=\"'{}(),"); len(rest) > 0 {
			t.Fatalf("%q: %q was left out", text, rest)
		}
		line := append([]byte("type=USER_AUTH msg=audit(1.002:3): "), text...)
		r := Record{Type: 1100, Line: line, Body: len(line) - len(text)}
		e := Event{Records: []Record{r}}
		Classify(&e)
		for _, part := range []Fields{r.Stamped(), r.Claims(), r.Resolved()} {
			for part.Next() {
				part.AppendDecoded(nil, r.Type)
			}
		}
	})
}
