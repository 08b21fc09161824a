package audittest

import (
	"fmt"
	"strconv"
	"strings"
)

// Status is what the kernel says of itself (struct audit_status), as auditctl
// reads it: tests do not trust the code under test to tell.
type Status struct {
	Enabled, Failure, PID   int
	RateLimit, BacklogLimit int
	Lost, Backlog           int
	BacklogWaitTime         int // jiffies
}

// Status asks the kernel.
func (a *Audit) Status() Status {
	a.t.Helper()
	var s Status
	fields := map[string]*int{
		"enabled": &s.Enabled, "failure": &s.Failure, "pid": &s.PID,
		"rate_limit": &s.RateLimit, "backlog_limit": &s.BacklogLimit,
		"lost": &s.Lost, "backlog": &s.Backlog, "backlog_wait_time": &s.BacklogWaitTime,
	}
	out := auditctl(a.t, "-s")
	for line := range strings.Lines(out) {
		key, value, _ := strings.Cut(strings.TrimSpace(line), " ")
		if p := fields[key]; p != nil {
			n, err := strconv.Atoi(value)
			if err != nil {
				a.t.Fatalf("auditctl -s: %q: %v", line, err)
			}
			*p = n
			delete(fields, key)
		}
	}
	if len(fields) > 0 {
		a.t.Fatalf("auditctl -s does not name all of the status: %s", out)
	}
	return s
}

// script is the auditctl script that brings this status and these rules back.
func (s Status) script(rules string) string {
	if strings.HasPrefix(rules, "No rules") {
		rules = ""
	}
	return fmt.Sprintf("-D\n-b %d\n-f %d\n-r %d\n--backlog_wait_time %d\n%s-e %d\n",
		s.BacklogLimit, s.Failure, s.RateLimit, s.BacklogWaitTime, rules, s.Enabled)
}
