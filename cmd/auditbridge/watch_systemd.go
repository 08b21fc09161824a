package main

import (
	"context"
	"os"
	"os/exec"
	"strconv"
	"strings"
	"time"

	"auditbridge/banner/watch"
)

// answerLimit is how long systemd is waited for: others wait to be told meanwhile.
const answerLimit = 500 * time.Millisecond

// systemctl asks systemd, where that is process 1 (sd_booted(3)), and waits no longer
// than limit; "" is no answer.
func systemctl(limit time.Duration, args ...string) string {
	if _, err := os.Stat("/run/systemd/system"); err != nil {
		return ""
	}
	limited, cancel := context.WithTimeout(context.Background(), limit)
	defer cancel()
	out, _ := exec.CommandContext(limited, "/usr/bin/systemctl", args...).Output() // an exit status may be an answer
	return string(out)
}

// hostStops says that systemd is taking the host down.
func hostStops() bool {
	return strings.TrimSpace(systemctl(answerLimit, "is-system-running")) == "stopping"
}

// unitNow is how systemd sees a service.
func unitNow(name string) watch.Unit {
	return unitOf(name, systemctl(answerLimit, "show", "--property="+unitProperties, name))
}

const unitProperties = "LoadState,ActiveState,SubState,Job,NRestarts,MainPID,ControlPID"

// unitOf understands what systemctl shows of a service. One that is being started
// again has failed before: nobody waits for it.
func unitOf(name, shown string) (u watch.Unit) {
	has := map[string]string{}
	for line := range strings.Lines(shown) {
		key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
		has[key] = value
	}
	if has["LoadState"] == "" || has["LoadState"] == "not-found" {
		return u
	}
	u.Known, u.Says = true, name+" is "+has["ActiveState"]+" ("+has["SubState"]+")"
	if has["LoadState"] != "loaded" {
		u.Says = name + " is " + has["LoadState"] // masked, or not understood
	}
	if n := has["NRestarts"]; n != "" && n != "0" {
		return u
	}
	job := has["Job"] != "" && has["Job"] != "0"
	switch {
	case has["ActiveState"] == "activating" && has["SubState"] == "start":
		for _, of := range []string{"ControlPID", "MainPID"} {
			if pid, err := strconv.Atoi(has[of]); err == nil && pid > 0 {
				u.Begins = pid
			}
		}
	case job, has["ActiveState"] == "activating" && has["SubState"] != "auto-restart":
		u.Queued = true
	}
	return u
}
