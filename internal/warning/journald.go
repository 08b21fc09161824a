package warning

import (
	"bufio"
	"bytes"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// journald looks for two ways in which systemd's journal meddles with audit: a
// socket that hears it (systemd-journald-audit.socket), and Audit= in its
// configuration, which has it switch kernel audit (journald.conf(5)).
func (h Host) journald(f *found) {
	if _, err := os.Stat(h.path("run/systemd/system")); err != nil {
		return // systemd does not run here
	}
	f.add("journald-reads", h.journaldReads(), "")
	value, file := h.journaldAudit()
	f.add("journald-switches-off", slices.Contains([]string{"no", "n", "false", "f", "off", "0"}, strings.ToLower(value)), "%s says Audit=%s", file, value)
}

func (h Host) path(name string) string { return filepath.Join(h.Root, name) }

// journaldReads tells whether one of the sockets that listen to audit is
// journald's, or systemd's for it. Who may not look whose they are goes by whether
// systemd is to open one.
func (h Host) journaldReads() bool {
	listening := h.listeners()
	if len(listening) == 0 {
		return false
	}
	blind := true
	names, _ := filepath.Glob(h.path("proc/[0-9]*/comm"))
	for _, name := range names {
		comm, _ := os.ReadFile(name)
		if c := strings.TrimSpace(string(comm)); c != "systemd" && c != "systemd-journal" {
			continue
		}
		open := filepath.Join(filepath.Dir(name), "fd")
		fds, err := os.ReadDir(open)
		if err != nil {
			return h.unitWanted(journaldSocket)
		}
		blind = false
		for _, fd := range fds {
			if to, err := os.Readlink(filepath.Join(open, fd.Name())); err == nil && listening[to] {
				return true
			}
		}
	}
	return blind && h.unitWanted(journaldSocket)
}

const journaldSocket = "systemd-journald-audit.socket"

// listeners are the sockets in the group that audit records are sent to, as links of
// /proc/PID/fd name them.
func (h Host) listeners() map[string]bool {
	const protocol, group, inode, columns = 1, 3, 9, 10 // of a line of /proc/net/netlink
	all := map[string]bool{}
	text, err := os.ReadFile(h.path("proc/net/netlink"))
	if err != nil {
		return nil
	}
	for line := range bytes.Lines(text) {
		words := strings.Fields(string(line))
		if len(words) < columns || words[protocol] != "9" { // NETLINK_AUDIT
			continue
		}
		if groups, err := strconv.ParseUint(words[group], 16, 32); err == nil && groups&1 != 0 { // AUDIT_NLGRP_READLOG
			all["socket:["+words[inode]+"]"] = true
		}
	}
	return all
}

func (h Host) unitWanted(unit string) bool {
	if masked(h.path("etc/systemd/system/" + unit)) {
		return false
	}
	for _, dir := range []string{"etc", "usr/lib", "lib"} {
		if _, err := os.Lstat(h.path(dir + "/systemd/system/sockets.target.wants/" + unit)); err == nil {
			return true
		}
	}
	return false
}

// journaldAudit is the value of Audit= that counts, and where it stands: the last
// one of the main file and what is dropped in beside it, by name.
func (h Host) journaldAudit() (value, file string) {
	dropped := map[string]string{}
	for _, dir := range []string{"usr/lib", "run", "etc"} { // the later hides the former of the same name
		names, _ := filepath.Glob(h.path(dir + "/systemd/journald.conf.d/*.conf"))
		for _, name := range names {
			dropped[filepath.Base(name)] = name
		}
	}
	files := []string{h.path("etc/systemd/journald.conf")}
	for _, name := range slices.Sorted(maps.Keys(dropped)) {
		files = append(files, dropped[name])
	}
	for _, name := range files {
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		for lines := bufio.NewScanner(f); lines.Scan(); {
			if v, is := strings.CutPrefix(strings.TrimSpace(lines.Text()), "Audit="); is {
				value, file = strings.TrimSpace(v), name
			}
		}
		f.Close()
	}
	return value, file
}
