package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// process is one that is told from a later one of the same pid.
type process struct {
	pid     int
	started string // in clock ticks since boot, proc(5)
}

// theProcess takes note of who has that pid now.
func theProcess(pid int) process {
	_, started := stateOf(pid)
	return process{pid, started}
}

// life is how the process is now. One that was not there when it was taken note of
// is gone.
func (p process) life() Life {
	state, started := stateOf(p.pid)
	switch {
	case p.started == "" || started != p.started:
		return Gone
	case state == "Z" || state == "X":
		return Gone
	case state == "T" || state == "t":
		return Stopped
	}
	return Alive
}

// effort is what a process has done, and waited for, up to a look.
type effort struct {
	pid    int
	at     time.Time
	got    time.Duration // of processors, all its threads together
	waited time.Duration // for one, while they could have gone on
	ready  bool          // a thread has one now, or waits for it
	disk   bool          // a thread waits for a disk
}

// effortOf looks at a process's threads: /proc/PID/task/TID/schedstat (the kernel's
// Documentation/scheduler/sched-stats.rst) and stat. All threads at once do not wait
// for a disk: then somebody has frozen the process, which looks the same (a cgroup's
// freezer).
func effortOf(pid int, now time.Time) effort {
	e := effort{pid: pid, at: now}
	if pid == 0 {
		return e
	}
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*", pid))
	waiting := 0
	for _, thread := range threads {
		switch state, _ := readState(thread + "/stat"); state {
		case "R":
			e.ready = true
		case "D":
			waiting++
		}
		got, waited := schedstat(thread)
		e.got, e.waited = e.got+got, e.waited+waited
	}
	e.disk = waiting > 0 && waiting < len(threads)
	return e
}

func schedstat(thread string) (got, waited time.Duration) {
	text, err := os.ReadFile(thread + "/schedstat")
	if err != nil {
		return 0, 0
	}
	fmt.Sscan(string(text), &got, &waited)
	return got, waited
}

// held says that others hold the process up since before, as far as can be told: it
// waits for a disk, or has waited a tenth of the time for a processor. One that has
// had its processor and does not get on is not held up.
func (e *effort) held(before *effort) bool {
	passed := e.at.Sub(before.at)
	if before.pid != e.pid || e.got < before.got || passed <= 0 {
		return e.disk || e.ready // there is nothing to compare with
	}
	return e.disk || e.waited-before.waited >= passed/10
}

// works says that it has done something since before: more than a program does that
// waits for something to happen.
func (e *effort) works(before *effort) bool {
	if before.pid != e.pid || e.got < before.got {
		return e.pid != 0
	}
	return e.got-before.got >= e.at.Sub(before.at)/50
}

// LifeOf says how the process with that pid is, whoever it is.
func LifeOf(pid int) Life { return theProcess(pid).life() }

// stateOf reads a process's state and start from /proc/PID/stat; both are empty
// when there is no such process.
func stateOf(pid int) (state, started string) {
	return readState(fmt.Sprintf("/proc/%d/stat", pid))
}

// readState reads the same of a process or a thread.
func readState(file string) (state, started string) {
	stat, err := os.ReadFile(file)
	if err != nil {
		return "", ""
	}
	rest := string(stat[strings.LastIndexByte(string(stat), ')')+1:])
	fields := strings.Fields(rest)
	if len(fields) < 20 {
		return "", ""
	}
	return fields[0], fields[19]
}

func nameOf(pid int) string {
	comm, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(comm))
}

// programOf is the file that a process runs, as the kernel names it: whatever runs
// from one that is not there any more, or in another mount namespace, is not what has
// that name here, and is said to be that. "" is what cannot be told.
func programOf(pid int) string {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/exe", pid)) // the first may have ended alone
	for _, link := range threads {
		path, err := os.Readlink(link)
		if err != nil {
			continue
		}
		runs, err := os.Stat(link)
		here, missing := os.Stat(path)
		if err == nil && missing == nil && os.SameFile(runs, here) {
			return path
		}
		return strings.TrimSuffix(path, replacedFile) + replacedFile
	}
	return ""
}

// replacedFile is what the kernel says of a program whose file is not there any more.
const replacedFile = " (deleted)"

// dead says that there is no such process; one that cannot be asked lives.
func dead(pid int) bool { return unix.Kill(pid, 0) == unix.ESRCH }
