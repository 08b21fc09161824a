package watch

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"

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

// busy says that a thread of the process works, waits for a processor or, as some
// among others, for a disk. All of them at once do not wait for a disk: then
// somebody has frozen it, which looks the same (a cgroup's freezer).
func (p process) busy() bool {
	threads, _ := filepath.Glob(fmt.Sprintf("/proc/%d/task/[0-9]*/stat", p.pid))
	waiting := 0
	for _, file := range threads {
		switch state, _ := readState(file); state {
		case "R":
			return true
		case "D":
			waiting++
		}
	}
	return waiting > 0 && waiting < len(threads)
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

// dead says that there is no such process; one that cannot be asked lives.
func dead(pid int) bool { return unix.Kill(pid, 0) == unix.ESRCH }
