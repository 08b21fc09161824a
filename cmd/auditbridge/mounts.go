package main

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// mounts are what a process has mounted, as far as it can reach it
// (/proc/PID/mountinfo, which every process may read of every other).
type mounts []mount

type mount struct {
	id, parent string
	device     string
	root       string // the part of the device that is mounted
	point      string
}

func readMounts(process string) (all mounts, err error) {
	f, err := os.Open(process + "/mountinfo")
	if err != nil {
		return nil, err
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	for lines.Scan() {
		if w := strings.Fields(lines.Text()); len(w) > 4 {
			all = append(all, mount{w[0], w[1], w[2], unescapeMount(w[3]), unescapeMount(w[4])})
		}
	}
	return all, lines.Err()
}

// unescapeMount reads the octal numbers that stand for spaces and the like.
func unescapeMount(text string) string {
	before, after, found := strings.Cut(text, `\`)
	if !found {
		return text
	}
	if n, err := strconv.ParseUint(after[:min(3, len(after))], 8, 8); err == nil {
		return before + string([]byte{byte(n)}) + unescapeMount(after[3:])
	}
	return before + `\` + unescapeMount(after)
}

// place is where a path without symbolic links leads: a device and a path on it; "" is
// where the process cannot get, as out of a chroot. It need not exist.
func (m mounts) place(path string) string {
	at := m.over("", path)
	if at == nil {
		return ""
	}
	for next := at; next != nil; next = m.over(at.id, path) {
		at = next
	}
	return at.device + " " + filepath.Join(at.root, strings.TrimPrefix(path, at.point))
}

// over is the mount that the way to path meets first, of those on a mount; on "" are
// those on what the process cannot reach.
func (m mounts) over(parent, path string) (first *mount) {
	for i := range m {
		on := m[i].parent == parent
		if parent == "" {
			on = !slices.ContainsFunc(m, func(other mount) bool { return other.id == m[i].parent && other.id != m[i].id })
		}
		if on && m[i].covers(path) && (first == nil || len(m[i].point) < len(first.point)) {
			first = &m[i]
		}
	}
	return first
}

func (m *mount) covers(path string) bool {
	return path == m.point || strings.HasPrefix(path, strings.TrimSuffix(m.point, "/")+"/")
}

// withoutLinks is path with the symbolic links resolved of as much of it as exists.
func withoutLinks(path string) string {
	rest := ""
	for there := path; ; there = filepath.Dir(there) {
		if real, err := filepath.EvalSymlinks(there); err == nil {
			return filepath.Join(real, rest)
		}
		if there == filepath.Dir(there) {
			return path
		}
		rest = filepath.Join(filepath.Base(there), rest)
	}
}
