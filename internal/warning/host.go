package warning

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
)

// Host is where a host's files are found, and what of it is used.
type Host struct {
	Root       string   // "/" but in tests
	JournalDir string   // need not be there yet
	Kernel     bool     // records come from this host's kernel
	Beside     bool     // auditd, that is started by itself, is to stay
	Ports      []string // through which every user may send to a log server, as words
}

// Warnings are those that the host's files are reason for. It works for every user;
// what he may not read is no reason for anything.
func (h Host) Warnings() []Warning {
	var f found
	if h.Kernel {
		h.boot(&f)
		h.journald(&f)
	}
	if h.Beside {
		f.add("stops-auditd", h.unitThere("auditd.service") && h.dropInHolds("auditbridge.service.d/kernel.conf"), "")
	}
	f.add("open-entrance", len(h.Ports) > 0, "%s", strings.Join(h.Ports, ", "))
	if place := filesystemOf(h.JournalDir); place != "" {
		f.add("shared-disk", !ownFilesystem(place, h.JournalDir), "it lies on that of %s", place)
	}
	return f
}

// boot looks at what the kernel was booted with (kernel/audit.c, audit_enable and
// audit_backlog_limit_set); of an option that stands twice the last counts.
func (h Host) boot(f *found) {
	text, err := os.ReadFile(filepath.Join(h.Root, "proc/cmdline"))
	if err != nil {
		return
	}
	on, backlog := false, 64 // include/linux: AUDIT_BACKLOG… 64 is the kernel's own
	for _, word := range strings.Fields(string(text)) {
		if word == "--" {
			break // what follows is for init
		}
		switch key, value, _ := strings.Cut(word, "="); key {
		case "audit":
			on = value == "1" || value == "on"
		case "audit_backlog_limit":
			if n, err := strconv.Atoi(value); err == nil {
				backlog = n
			}
		}
	}
	f.add("boot-audit", !on, "")
	f.add("boot-backlog", on && backlog != 0 && backlog < enough, "it takes %d records then", backlog)
}
