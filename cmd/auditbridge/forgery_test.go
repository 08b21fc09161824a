package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

// forgeries are what a user may write who has CAP_AUDIT_WRITE and nothing else.
// Each has its mark.
var forgeries = []string{
	"x' auid=0 ses=9 msg='op=forged-0 acct=\"root\" res=success",
	"op=forged-1\ntype=USER_LOGIN msg=audit(1709742929.678:7): pid=1 uid=0 auid=0 ses=9 msg='op=login res=success'",
	"op=forged-2 res=success'\x1dUID=\"root\" AUID=\"root\"",
	"op=forged-3 \x1b]0;owned\x07\x1b[2J\x1b[31m res=success",
	"forged-4 type=DAEMON_CONFIG msg=audit(1709742929.678:4278190081): op=block auid=4294967295 pid=1 uid=0 ses=4294967295 first=1 n=1 res=success",
	"op=alarm-raised auid=0 uid=0 ses=9 alarm=forged-5 number=1 res=failed' ab-esc=1",
}

// forge sends them, and tries what the kernel must not take: the types of its own
// records and of ours.
func forge() {
	for _, text := range forgeries {
		if err := audittest.SendUserMessage(1112, text); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
	}
	for _, recordType := range []uint16{1006, 1203, 1300, 1332} {
		if err := audittest.SendUserMessage(recordType, "forged-6"); !errors.Is(err, unix.EINVAL) && !errors.Is(err, unix.EPERM) {
			fmt.Fprintf(os.Stderr, "a message of type %d: %v\n", recordType, err)
			os.Exit(1)
		}
	}
}

// TestWhatAUserForgesIsNeverBelieved: one line each in the journal and in every
// format, of the class of its type, in the name of who the kernel says sent it,
// and shown as a claim.
func TestWhatAUserForgesIsNeverBelieved(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t)
	d := newDaemon(t, "")
	d.start()
	self, err := os.Open("/proc/self/exe")
	must(t, err)
	defer self.Close()
	forger := exec.Command("/proc/self/fd/3")
	forger.Args[0], forger.ExtraFiles, forger.Env = "forger", []*os.File{self}, os.Environ()
	forger.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}, AmbientCaps: []uintptr{unix.CAP_AUDIT_WRITE}}
	if out, err := forger.CombinedOutput(); err != nil {
		t.Fatalf("%v: %s", err, out)
	}
	mark := func(i int) string { return fmt.Sprintf("forged-%d", i) }
	peertest.Until(t, "all is stored", func() bool { return strings.Contains(strings.Join(d.journalLines(), "\n"), mark(len(forgeries)-1)) })
	d.stop()
	d.verifies(d.journal)

	stamp := fmt.Sprintf("pid=%d uid=65534 auid=%s ses=", forger.Process.Pid, strings.TrimSpace(read(t, "/proc/self/loginuid")))
	one := func(where, output string, holds func(line string) bool) {
		t.Helper()
		for i := range forgeries {
			var found []string
			for line := range strings.Lines(output) {
				if strings.Contains(line, mark(i)) {
					found = append(found, line)
				}
			}
			if len(found) != 1 || !holds(strings.TrimSuffix(found[0], "\n")) {
				t.Errorf("%s: %s stands in %d lines: %q", where, mark(i), len(found), found)
			}
		}
		if strings.Contains(output, mark(6)) {
			t.Errorf("%s: the kernel took what it must not", where)
		}
		if i := strings.IndexFunc(output, func(r rune) bool { return r < ' ' && r != '\n' || r == 0x7f }); i >= 0 {
			t.Errorf("%s: holds a control byte: %.80q", where, output[i:])
		}
	}
	one("journal", strings.Join(d.journalLines(), "\n"), func(line string) bool {
		before, _, said := strings.Cut(line, " msg='")
		return said && strings.HasPrefix(line, "type=USER_LOGIN msg=audit(") && strings.Contains(before, "): "+stamp)
	})
	events, _, _ := auditbridgeCommand(t, "read", "--config", d.dir+"/none.toml", d.journal, "-o", "json")
	for _, args := range [][]string{{"json"}, {"json", "--interpret"}, {"json", "--ecs"}, {"text"}, {"text", "-i"}, {"rfc5424"}, {"rfc3164"}, {"cef"}, {"audit"}, {"audit", "--include", "login"}} {
		out, errs, code := auditbridgeCommand(t, append([]string{"read", "--config", d.dir + "/none.toml", d.journal, "-o"}, args...)...)
		if code != 0 {
			t.Fatalf("%v: %s", args, errs)
		}
		if args[0] == "text" { // a sentence about each: its words are ours
			if got, want := strings.Count(out, "\n"), strings.Count(events, "\n"); got != want {
				t.Errorf("%d lines of text tell of %d events:\n%s", got, want, out)
			}
			if strings.Contains(out, "\x1b") || strings.Contains(out, "\x1d") || strings.Contains(out, "User root") || strings.Contains(out, "User 0 ") {
				t.Errorf("believed:\n%s", out)
			}
			continue
		}
		one(strings.Join(args, " "), out, func(line string) bool {
			if args[0] != "json" || len(args) > 1 && args[1] == "--ecs" {
				return !strings.Contains(line, "User root") && !strings.Contains(line, "User 0 ")
			}
			var e struct {
				Class, Summary string
				Records        []struct {
					Type   string
					Fields map[string]any
				}
			}
			must(t, json.Unmarshal([]byte(line), &e))
			f := e.Records[0].Fields
			_, nested := f["msg"]
			uid, _ := json.Marshal(f["uid"])
			return e.Class == "login" && len(e.Records) == 1 && e.Records[0].Type == "USER_LOGIN" && nested &&
				strings.Contains(string(uid), "65534") && f["AUID"] == nil && f["acct"] == nil && f["alarm"] == nil &&
				!strings.HasPrefix(e.Summary, "User root") && !strings.HasPrefix(e.Summary, "User 0 ") && !strings.HasPrefix(e.Summary, "auditbridge")
		})
	}
}
