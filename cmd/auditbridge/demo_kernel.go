package main

import (
	"errors"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"syscall"

	"auditbridge/rules"

	"github.com/elastic/go-libaudit/v2"
	"golang.org/x/sys/unix"
)

// demoMark stands in everything that the demonstration makes the kernel say,
// so that each of it can be looked for at the far end.
const demoMark = "auditbridge-demo"

// demoPID is the process group that getpgid(2) is asked for: none has it, so
// the call fails and the event says why.
const demoPID = 999999

// demoKernel is the live kernel lent to the demonstration: its rules are ours
// for a moment and taken away again.
type demoKernel struct {
	control *libaudit.AuditClient
	rules   [][]byte
}

// liveKernel tells whether the live kernel may be used: root, and nobody else
// uses kernel audit in any way. why says what speaks against it.
func liveKernel() (k *demoKernel, why string) {
	if os.Geteuid() != 0 {
		return nil, "not root"
	}
	control, err := libaudit.NewAuditClient(nil)
	if err != nil {
		return nil, "no audit in this kernel: " + err.Error()
	}
	status, err := control.GetStatus()
	if err != nil {
		control.Close()
		return nil, "no access to kernel audit: " + err.Error()
	}
	loaded, err := control.GetRules()
	switch {
	case err != nil:
		why = "the kernel's audit rules cannot be listed: " + err.Error()
	case status.PID != 0 && unix.Kill(int(status.PID), 0) == nil:
		why = fmt.Sprintf("process %d owns kernel audit", status.PID)
	case status.Enabled != 0:
		why = fmt.Sprintf("kernel audit is enabled already (enabled %d)", status.Enabled)
	case len(loaded) > 0:
		why = fmt.Sprintf("%d audit rules are loaded already", len(loaded))
	default:
		return &demoKernel{control: control}, ""
	}
	control.Close()
	return nil, why
}

// addRules loads a few narrow rules: one system call that nobody makes with
// this argument, one that changes a file of ours.
func (k *demoKernel) addRules(watched string) error {
	host, err := rules.ThisHost()
	if err != nil {
		return err
	}
	f, err := rules.Parse("the demonstration's rules", fmt.Sprintf("-a always,exit -F arch=b64 -S getpgid -F a0=%d -k %s\n-w %s -p wa -k identity\n", demoPID, demoMark, watched), host)
	if err != nil {
		return err
	}
	for i := range f.Statements {
		s := &f.Statements[i]
		wire := s.Rule.AppendWire(nil)
		if err := k.control.AddRule(wire); err != nil {
			return fmt.Errorf("load audit rule %q: %w", s.Text, err)
		}
		k.rules = append(k.rules, wire)
	}
	return nil
}

// Close takes the rules away.
func (k *demoKernel) Close() error {
	var problems []error
	for _, wire := range k.rules {
		if err := k.control.DeleteRule(wire); err != nil {
			problems = append(problems, fmt.Errorf("remove a rule of the demo: %w", err))
		}
	}
	k.rules = nil
	return errors.Join(append(problems, k.control.Close())...)
}

// userMessages are what login programs send, with our mark in it. The kernel
// puts its own stamp in front: whatever the text claims, auid is the kernel's.
var userMessages = []struct {
	recordType uint16
	text       string
}{
	{1100, `op=PAM:authentication grantors=? acct="?" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.7 terminal=ssh res=failed`},
	{1112, `op=login acct="(unknown)" exe="/usr/sbin/sshd" hostname=? addr=192.0.2.7 terminal=ssh res=failed`},
	{1100, `op=PAM:authentication grantors=pam_unix acct="ann" exe="/usr/sbin/sshd" hostname=192.0.2.8 addr=192.0.2.8 terminal=ssh res=success`},
	{1105, `op=PAM:session_open grantors=pam_loginuid,pam_unix acct="ann" exe="/usr/sbin/sshd" hostname=192.0.2.8 addr=192.0.2.8 terminal=ssh res=success`},
	{1123, `cwd="/" cmd=6C73202F726F6F74 exe="/usr/bin/sudo" terminal=pts/1 res=success`},
	{1130, `unit=` + demoMark + ` comm="systemd" exe="/usr/lib/systemd/systemd" hostname=? addr=? terminal=? res=success`},
	{1112, "op=login acct=\"eve\nforged=\x1b[31m\" exe=\"/usr/sbin/sshd\" addr=192.0.2.9 res=failed"},
	{1106, `op=PAM:session_close grantors=pam_loginuid,pam_unix acct="ann" exe="/usr/sbin/sshd" hostname=192.0.2.8 addr=192.0.2.8 terminal=ssh res=success`},
}

// sendMessage sends user message n, which carries its number and our mark.
func (k *demoKernel) sendMessage(n int) error {
	m := userMessages[n%len(userMessages)]
	_, err := k.control.Netlink.Send(syscall.NetlinkMessage{
		Header: syscall.NlMsghdr{Type: m.recordType, Flags: unix.NLM_F_REQUEST},
		Data:   append([]byte(m.text+" "+messageMark(n)), 0),
	})
	if err != nil {
		return fmt.Errorf("send user message to the kernel: %w", err)
	}
	return nil
}

func messageMark(n int) string { return fmt.Sprintf("demo=%s-%d", demoMark, n) }

// callGetpgid makes one event that the first rule asks for.
func callGetpgid() { unix.Getpgid(demoPID) }

// login sets the login uid of a thread that then ends, as pam_loginuid does for
// a session: the kernel answers with a LOGIN record.
func login(uid int) error {
	done := make(chan error)
	go func() {
		runtime.LockOSThread() // never unlocked: the thread and its login uid end here
		path := fmt.Sprintf("/proc/self/task/%d/loginuid", unix.Gettid())
		done <- os.WriteFile(path, []byte(strconv.Itoa(uid)), 0)
	}()
	if err := <-done; err != nil {
		return fmt.Errorf("set a login uid: %w", err)
	}
	return nil
}

// touch changes the watched file.
func touch(path string) error {
	return os.WriteFile(path, []byte(strings.Repeat("x", 8)), 0o600)
}
