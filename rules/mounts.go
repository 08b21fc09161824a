package rules

import (
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
)

// SeenOtherwise returns the first path that leads elsewhere for the process whose
// directory in /proc that is than for us, "" when there is none.
func SeenOtherwise(process string, paths []string) (string, error) {
	ours, err := readMounts("/proc/self")
	if err != nil {
		return "", err
	}
	theirs, err := readMounts(process)
	if err != nil || slices.Equal(ours, theirs) {
		return "", err
	}
	elsewhere := func(path string) bool { return ours.place(path) != theirs.place(path) }
	i := slices.IndexFunc(paths, func(path string) bool { return elsewhere(path) || elsewhere(withoutLinks(path)) })
	if i < 0 {
		return "", nil
	}
	return paths[i], nil
}

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
	text, err := os.ReadFile(process + "/mountinfo")
	for line := range strings.Lines(string(text)) {
		if w := strings.Fields(line); len(w) > 4 {
			all = append(all, mount{w[0], w[1], w[2], unescapeMount(w[3]), unescapeMount(w[4])})
		}
	}
	return all, err
}

// mountPoints lists those of fstab, but the root's, and those there are.
func mountPoints() (wanted, mounted []string) {
	all, _ := readMounts("/proc/self")
	for _, m := range all {
		mounted = append(mounted, m.point)
	}
	text, _ := os.ReadFile("/etc/fstab")
	for line := range strings.Lines(string(text)) {
		if w := strings.Fields(line); len(w) > 1 && w[0][0] != '#' && w[1] != "/" && strings.HasPrefix(w[1], "/") {
			wanted = append(wanted, unescapeMount(w[1]))
		}
	}
	return wanted, mounted
}

// unescapeMount reads the octal numbers that stand for spaces and the like, here and in
// fstab.
func unescapeMount(word string) string {
	text, err := strconv.Unquote(`"` + strings.ReplaceAll(word, `"`, `\"`) + `"`)
	if err != nil {
		return word
	}
	return text
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
		if on && under(path, m[i].point) && (first == nil || len(m[i].point) < len(first.point)) {
			first = &m[i]
		}
	}
	return first
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
