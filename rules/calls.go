package rules

import (
	"slices"
	"strconv"
	"strings"

	"auditbridge/auditbridge/interpret"
	"auditbridge/internal/nearest"
)

// readCalls reads -S: the calls, or io_uring operations, a rule is for.
func (l *line) readCalls(w word) error {
	if l.has && (l.verb == Add || l.verb == Delete) && !l.rule.List.takesCalls() {
		return complain("system calls on the list %s", l.rule.List).advise("they are for the list exit")
	}
	column := w.column
	for name := range strings.SplitSeq(w.text, ",") {
		l.at.Column = column
		column += len(name) + 1
		if name == "" {
			continue // as strtok does
		}
		if err := l.addCall(name); err != nil {
			return err
		}
	}
	l.callsGiven, l.keyed = true, true
	return nil
}

func (l *line) addCall(name string) error {
	uring := l.has && l.rule.List == ListURing
	if name == "all" && !uring {
		l.calls.addAll()
		return nil
	}
	if name == "all" {
		for nr := range values["io_uring"].name {
			l.calls.add(int(nr))
		}
		return nil
	}
	nr, ok := l.callNumber(name, uring)
	if !ok && name[0] >= '0' && name[0] <= '9' {
		n, err := readNumber(name)
		if err != nil {
			return err
		}
		nr, ok = int(n), true
	}
	if !ok {
		return l.unknownCall(name, uring)
	}
	if !l.calls.add(nr) {
		return complain("there is no system call %d: %d is the highest a rule can name", nr, maskWords*32-1)
	}
	return nil
}

func (l *line) callNumber(name string, uring bool) (int, bool) {
	if uring {
		nr, ok := values["io_uring"].number[name]
		return int(nr), ok
	}
	return interpret.SyscallNumber(l.calledOn(), name)
}

// calledOn is the architecture whose calls the line names.
func (l *line) calledOn() uint32 {
	if l.arch != 0 {
		return l.arch
	}
	return l.host.Arch
}

func (l *line) unknownCall(name string, uring bool) error {
	if uring {
		return complain("unknown io_uring operation %q", name).meant(nearest.Word(name, values["io_uring"].order))
	}
	c := complain("unknown system call %q on %s", name, interpret.ArchName(l.calledOn()))
	if near := nearest.Word(name, slices.Sorted(interpret.Syscalls(l.calledOn()))); near != "" {
		return c.meant(near)
	}
	for _, other := range []string{"x86_64", "i386"} {
		if arch, _ := interpret.ArchNamed(other); arch != l.calledOn() {
			if _, ok := interpret.SyscallNumber(arch, name); ok {
				return c.advise("there is one on %s: -F arch= says whose calls they are", other)
			}
		}
	}
	return c
}

// showCalls is the inverse of -S: names where there are any, in the order of
// their numbers. A rule for no call at all, which auditctl shows as if it were for
// all, is "-S ,".
func (r *Rule) showCalls(arch uint32) string {
	if r.Calls == (Calls{}) {
		return ","
	}
	if r.Calls.all() {
		return "all"
	}
	var list []string
	for nr := range r.Calls.each() {
		name := interpret.SyscallName(arch, nr)
		if r.List == ListURing {
			name = values["io_uring"].name[uint32(nr)]
		} else if back, ok := interpret.SyscallNumber(arch, name); !ok || back != nr {
			name = "" // another number has the name
		}
		if name == "" {
			name = strconv.Itoa(nr)
		}
		list = append(list, name)
	}
	return strings.Join(list, ",")
}
