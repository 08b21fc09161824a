package audittest

import "testing"

func TestKernelIsGivenBackAsFound(t *testing.T) {
	lock := reserve(t)
	defer lock.Close()
	outside := &Audit{t: t}
	t.Run("what an aborted test has left is put back", func(t *testing.T) { take(t, lock) })
	before, rulesBefore := outside.Status(), auditctl(t, "-l")
	t.Run("holder", func(t *testing.T) {
		a := take(t, lock)
		if got := a.Status(); got.Enabled != 0 || got.BacklogWaitTime != 100 || got.BacklogLimit != 8192 {
			t.Errorf("reserved with %+v", got)
		}
		a.AddRule("-a", "never,exit", "-S", "getpgid", "-k", "left behind")
		auditctl(t, "-b", "7000")
		auditctl(t, "-f", "0")
		a.Enable()
		a.SendUserMessage(1112, "op=login acct=\"a\nb\" res=success")
		a.Generate(100, 0, "audittest")
	})
	after := outside.Status()
	after.Lost, after.Backlog, after.PID = before.Lost, before.Backlog, before.PID
	if after != before {
		t.Errorf("before %+v, after %+v", before, after)
	}
	if rules := auditctl(t, "-l"); rules != rulesBefore {
		t.Errorf("rules before %q, after %q", rulesBefore, rules)
	}
}

func TestRefusedUserMessageIsAnError(t *testing.T) {
	Kernel(t)
	// 1200–1299 are the daemon's own types; a sender gets EINVAL.
	if err := SendUserMessage(1203, "forged"); err == nil {
		t.Error("the kernel took a DAEMON_CONFIG record from user space")
	}
}
