package rules

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

// TestWhatIsWrongIsNamedWithItsPlace: the column is that of the word, or of the
// value, that is wrong, and the hint is the nearest word.
func TestWhatIsWrongIsNamedWithItsPlace(t *testing.T) {
	for _, test := range []struct{ line, problem, hint string }{
		{"-a always,exit -S opne", `1:19: unknown system call "opne" on x86_64`, `did you mean "open"?`},
		{"-a always,exit -F arch=b32 -S open,fork,clsoe", `1:41: unknown system call "clsoe" on i386`, `did you mean "close"?`},
		{"-a always,exit -F arch=b64 -S stime", `1:31: unknown system call "stime" on x86_64`, ``},
		{"-a always,exit -F arch=b64 -S chown32", `1:31: unknown system call "chown32" on x86_64`, ``},
		{"-a always,exit -S 9999", `1:19: there is no system call 9999: 2047 is the highest a rule can name`, ``},
		{"-a alway,exit", `1:4: unknown action "alway"`, `did you mean "always"?`},
		{"-a exit,alwys", `1:4: unknown action "alwys"`, `did you mean "always"?`},
		{"-a always,exclud", `1:4: unknown list "exclud"`, `did you mean "exclude"?`},
		{"-a always,entry", `1:4: the list entry is gone`, `exit has the same and more`},
		{"-a possible,exit", `1:4: the action possible is gone, and such a line does nothing`, `remove it`},
		{"-a always", `1:4: "always" is not a list and an action`, `for example always,exit`},
		{"-a", `1:1: -a needs LIST,ACTION behind it`, ``},
		{"-a always,exit -F aiud=0", `1:19: unknown field "aiud"`, `did you mean "auid"?`},
		{"-a always,exit -F auid", `1:19: no operator in "auid"`, `one of != >= <= &= = > < &`},
		{"-a always,exit -F auid=", `1:24: field auid without a value`, ``},
		{"-a always,exit -F auid=1k", `1:24: "1k" is not a number`, ``},
		{"-a always,exit -F auid=0b1", `1:24: "0b1" is not a number`, ``},
		{"-a always,exit -F a0=0x123456789", `1:22: 0x123456789 does not fit into 32 bits`, ``},
		{"-a always,exit -F auid=nobdy", `1:24: unknown user "nobdy"`, `a rule keeps the number: the user must exist where it is loaded`},
		{"-a always,exit -F auid&=1", `1:19: field auid does not take the operator &=`, `it takes != >= <= = > <`},
		{"-a always,exit -F exit=-EACCESS", `1:24: unknown error "-EACCESS"`, `did you mean "EACCES"?`},
		{"-a always,exclude -F msgtype=CWDD", `1:30: unknown type of record "CWDD"`, `did you mean "CWD"?`},
		{"-a always,exit -F msgtype=CWD", `1:19: field msgtype on the list exit`, `it is for the lists user, exclude`},
		{"-a always,exclude -F path=/x", `1:22: field path on the list exclude`, `it is for the list exit`},
		{"-a always,filesystem -F uid=0", `1:25: field uid on the list filesystem`, ``},
		{"-a always,exit -F perm=wq", `1:24: "q" is no permission`, ``},
		{"-a always,exit -F filetype=pipe", `1:28: unknown value "pipe"`, `one of socket, link, file, block, dir, character, fifo`},
		{"-a always,exit -F arch=b65", `1:24: unknown arch "b65"`, ``},
		{"-a always,exit -S open -F arch=b64", `1:32: arch behind -S`, ``},
		{"-a always,exit -F path=etc", `1:24: the path "etc" does not begin with a slash`, ``},
		{"-a always,exit -F path=/a -F dir=/b", `1:1: more than one of path, dir and inode`, ``},
		{"-a always,exit -F exe=/a -F exe=/b", `1:1: field exe twice`, ``},
		{"-a always,task -S open", `1:19: system calls on the list task`, ``},
		{"-a always,io_uring -S opnat", `1:23: unknown io_uring operation "opnat"`, `did you mean "openat"?`},
		{"-a always,exit -C uid=gid", `1:19: uid and gid cannot be compared`, ``},
		{"-a always,exit -k x", `1:19: a key before what it is for`, ``},
		{"-a always,exit -S open -k " + strings.Repeat("k", 257), `1:27: the key is longer than 256 bytes`, ``},
		{"-F auid=0 -a always,exit", `1:4: -F before the list it is on`, ``},
		{"-a always,exit -a always,task", `1:19: two operations in one line`, ``},
		{"-b -1", `1:4: -b must be a number from 0 to 4294967295, not "-1"`, ``},
		{"-D -b 8192", `1:1: two operations in one line`, `give each a line of its own`},
		{"-b 8192 -k x", `1:12: a key before what it is for`, `put it behind -w, -S, or -F path=, dir=, exe=, perm= or fstype=`},
		{"-b 8192 -S open", `1:1: a line that says neither -a, -A nor -d`, ``},
		{"-w etc", `1:4: the path "etc" does not begin with a slash`, ``},
		{"-p wa -w /etc", `1:4: -p before what it is for`, ``},
		{"-x", `1:1: unknown option "-x"`, ``},
		{"--backlog_wait_tme 5", `1:1: unknown option "--backlog_wait_tme"`, `did you mean "--backlog_wait_time"?`},
		{"-e 3", `1:4: -e must be a number from 0 to 2, not "3"`, ``},
		{"-b many", `1:4: -b must be a number from 0 to 4294967295, not "many"`, ``},
		{"--signal now", `1:10: unknown signal "now"`, ``},
		{"-q /a", `1:4: "/a" is not MOUNT,SUBTREE`, ``},
		{"-R other.rules", `1:4: -R in a rule file`, ``},
		{"a always,exit", `1:1: "a" stands where an option is expected`, ``},
		{"-b 64 -k x", `1:10: a key before what it is for`, ``},
		{"-S open", `1:1: a line that says neither -a, -A nor -d`, ``},
	} {
		_, err := Parse("f", test.line, testHost())
		var problems Problems
		if !errors.As(err, &problems) || len(problems) != 1 {
			t.Errorf("%s\n: %v", test.line, err)
			continue
		}
		p := problems[0]
		if got := strings.TrimPrefix(p.Error(), "f:"); got != test.problem || test.hint != "" && p.Hint != test.hint {
			t.Errorf("%s\ngot  %s\n     %s\nwant %s\n     %s", test.line, got, p.Hint, test.problem, test.hint)
		}
	}
}

// TestEveryOtherOptionIsRead: those that are not rules.
func TestEveryOtherOptionIsRead(t *testing.T) {
	text := "# a comment\n\n  # another\n-D\n-D -k gone\n-b 8192\n-f 1\n-e 1\n-r 100\n--backlog_wait_time 60000\n--backlog_wait_time=0x10\n" +
		"--loginuid-immutable\n-i\n-c\n-t\n-q /mnt,/sub\n-m hello\n--signal reload\n--reset-lost\n--reset_backlog_wait_time_actual\n-s\n-l\n-b8192\n"
	f, err := Parse("f", text, testHost())
	if err != nil {
		t.Fatal(err)
	}
	type said struct {
		Line    int
		Verb    Verb
		Setting Setting
		Value   uint32
		Word    string
	}
	var got []said
	for _, s := range f.Statements {
		got = append(got, said{s.At.Line, s.Verb, s.Setting, s.Value, s.Word})
	}
	want := []said{
		{4, Clear, 0, 0, ""}, {5, Clear, 0, 0, "gone"}, {6, Set, BacklogLimit, 8192, "8192"}, {7, Set, Failure, 1, "1"},
		{8, Set, Enabled, 1, "1"}, {9, Set, RateLimit, 100, "100"}, {10, Set, BacklogWaitTime, 60000, "60000"},
		{11, Set, BacklogWaitTime, 16, "0x10"}, {12, Set, LoginUIDImmutable, 1, "1"}, {13, IgnoreErrors, 0, 0, ""},
		{14, ContinueAfter, 0, 0, ""}, {15, Trim, 0, 0, ""}, {16, Equivalent, 0, 0, "/mnt,/sub"}, {17, Message, 0, 0, "hello"},
		{18, Signal, 0, 0, "HUP"}, {19, ResetLost, 0, 0, ""}, {20, ResetWaited, 0, 0, ""}, {21, Ask, 0, 0, ""}, {22, Ask, 0, 0, ""},
		{23, Set, BacklogLimit, 8192, "8192"},
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

// Settings may stand beside each other, and before and behind a rule: auditctl sets each
// as it reads it, and adds the rule in the end.
func TestSettingsStandBesideOtherThings(t *testing.T) {
	host := testHost()
	for _, row := range []struct{ line, want string }{
		{"-b 8000 -f 0 --backlog_wait_time=5", "backlog_limit 8000, failure 0, backlog_wait_time 5"},
		{"-b 8000 -b 8001", "backlog_limit 8000, backlog_limit 8001"},
		{"-w /x -p w -b 8000", "backlog_limit 8000, -w /x -p w"},
		{"-e 1 -d always,exit -S open", "enabled 1, -a always,exit -S open"},
		{"-b 8000 -i", "backlog_limit 8000, go on"},
		{"-c -b 8000", "backlog_limit 8000, go on, and say so"},
	} {
		f, err := Parse("f", "-r 1\n"+row.line+"\n", host)
		if err != nil {
			t.Error(err)
			continue
		}
		var got []string
		for _, s := range f.Statements[1:] {
			if s.At.Line != 2 || s.Text != row.line {
				t.Errorf("%q stands at %v in %q", row.line, s.At, s.Text)
			}
			switch s.Verb {
			case Set:
				got = append(got, fmt.Sprint(s.Setting, " ", s.Value))
			case IgnoreErrors:
				got = append(got, "go on")
			case ContinueAfter:
				got = append(got, "go on, and say so")
			default:
				got = append(got, host.Show(s.Rule))
			}
		}
		if got := strings.Join(got, ", "); got != row.want {
			t.Errorf("%q: %q, want %q", row.line, got, row.want)
		}
	}
}

func TestLinesAreJoinedAndSpellingIsWarnedOf(t *testing.T) {
	f, err := Parse("f", "-a always,exit \\\n  -S open \\\n  -k x\n-w\t/etc/passwd -k \"quoted\"\n-w \"/a b\" -p w\n", testHost())
	if err != nil {
		t.Fatal(err)
	}
	host := testHost()
	var got []string
	for _, s := range f.Statements {
		got = append(got, host.Show(s.Rule))
	}
	if diff := cmp.Diff([]string{"-a always,exit -S open -F key=x", `-w /etc/passwd -p rwxa -k "quoted"`, `-w /a\ b -p w`}, got); diff != "" {
		t.Error(diff)
	}
	var warned []string
	for _, w := range f.Warnings {
		warned = append(warned, w.Error())
	}
	if diff := cmp.Diff([]string{
		"f:4:3: a tab between words", `f:4:19: the quotes become a part of the key "quoted"`, `f:5:4: the path "/a b" in quotes`,
	}, warned); diff != "" {
		t.Error(diff)
	}
}

// TestNoRuleLooksLikeTwo: the kernel takes any bytes in a key or a path, and what it
// lists is shown line by line.
func TestNoRuleLooksLikeTwo(t *testing.T) {
	const forged = "x\n-w /etc/shadow -p wa -k identity"
	for _, line := range []string{"-w /etc/passwd -k KEY", "-w /KEY -p r", "-a always,exit -S open -F exe=/KEY -F key=a"} {
		r := desire(t, line).Rules[0].Rule
		for i := range r.Fields {
			r.Fields[i].Text = strings.Replace(r.Fields[i].Text, "KEY", forged, 1)
		}
		if shown := testHost().Show(r); strings.Contains(shown, "\n") || !strings.Contains(shown, `x\x0a-w\ /etc`) {
			t.Errorf("%s is shown as %s", line, shown)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, line := range []string{
		"-a always,exit -F arch=b64 -S open,5 -F exit=-EACCES -F a2&0100 -F auid!=unset -k a -k b",
		`-w /a\ b\\c/ -p wxra -k x`, "-A never,exclude -F msgtype>=1100", "-a never,filesystem -F fstype=0x1 -F key=f",
		"-a always,io_uring -S all", "-d never,task -F uid=root", "-a exit,always -C euid!=uid f24!=0", "--signal=stop", "-w \"/a b\" \\\n-p r",
	} {
		f.Add(line)
	}
	host := testHost()
	f.Fuzz(func(t *testing.T, text string) {
		file, _ := Parse("fuzz", text, host)
		file.Desire()
		Check(host, file, &Surroundings{Exists: host.IsDir, Mounts: func() (a, b []string) { return }})
		for _, s := range file.Statements {
			if s.Verb != Add || strings.ContainsAny(string(s.Rule.AppendWire(nil)[wireHeader:]), "\n\r\t\"'\x01") {
				continue // no rule file can say them all
			}
			showsAndReadsBack(t, host, s.Rule)
			back, err := ParseWire(s.Rule.AppendWire(nil))
			if diff := cmp.Diff(s.Rule, back, sameCalls); err != nil || diff != "" {
				t.Errorf("%v %s", err, diff)
			}
		}
	})
}

// FuzzParseWire reads what a kernel, or somebody in its place, might list.
func FuzzParseWire(f *testing.F) {
	for _, line := range []string{"-a always,exit -S open -F path=/a -k b", "-a never,task"} {
		file, err := Parse("seed", line, testHost())
		if err != nil {
			f.Fatal(err)
		}
		f.Add(file.Statements[0].Rule.AppendWire(nil))
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		r, err := ParseWire(wire)
		if err != nil {
			return
		}
		testHost().Show(r)
		again, err := ParseWire(r.AppendWire(nil))
		if diff := cmp.Diff(r, again, sameCalls); err != nil || diff != "" {
			t.Errorf("%v %s", err, diff)
		}
	})
}
