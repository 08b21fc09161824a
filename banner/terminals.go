package banner

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"slices"
	"strconv"
	"strings"

	"golang.org/x/sys/unix"
)

// Terminal is one that a person sits at, or is logged in on.
type Terminal struct {
	Path   string
	Device uint64   // as in st_rdev: what tells one from another
	People []Person // who, as far as it is known
}

// Person is a login on a terminal.
type Person struct {
	UID     uint32 // of the login
	Command string // of a process there; empty where only a list of logins names it
}

// unset is the login uid of what nobody logged in for.
const unset = 1<<32 - 1

// Terminals lists the terminals that people are on, by all that knows of one: the
// login uid and controlling terminal of every process, which no program has to
// tell (a pane of tmux or a shell under sudo is in no list of logins), utmp where
// the host still has one, and logind's sessions. root is "" but in tests, and goes
// in front of every path but those of processes.
func Terminals(root string) []Terminal {
	found := map[uint64]*Terminal{}
	type there struct {
		device uint64
		who    Person
	}
	known := map[there]bool{} // somebody may have thousands of processes on one
	add := func(path string, device uint64, who Person) {
		at := found[device]
		if at == nil {
			at = &Terminal{Path: path, Device: device}
			found[device] = at
		}
		if is := (there{device, who}); !known[is] {
			known[is] = true
			at.People = append(at.People, who)
		}
	}
	byProcess(root, add)
	byUtmp(root, add)
	byLogind(root, add)
	all := make([]Terminal, 0, len(found))
	for _, t := range found {
		all = append(all, *t)
	}
	slices.SortFunc(all, func(a, b Terminal) int { return strings.Compare(a.Path, b.Path) })
	return all
}

type addTerminal func(path string, device uint64, who Person)

// byProcess looks at every process of the host. Large ones have tens of thousands, so
// each costs as few system calls as can be: 6 µs for a daemon's, 16 µs for somebody's
// (measured).
func byProcess(root string, add addTerminal) {
	proc, err := os.Open("/proc")
	if err != nil {
		return
	}
	defer proc.Close()
	names, _ := proc.Readdirnames(-1) // as many as there are
	files := procFiles{dir: int(proc.Fd())}
	paths := map[uint64]string{}
	for _, pid := range names {
		if pid[0] < '0' || pid[0] > '9' {
			continue
		}
		uid := parseLogin(files.read(pid + "/loginuid"))
		if uid == unset {
			continue
		}
		command, device := controlling(files.read(pid + "/stat"))
		if device == 0 {
			continue
		}
		if _, known := paths[device]; !known {
			paths[device] = pathOf(root, device)
		}
		if paths[device] != "" {
			add(paths[device], device, Person{uid, command})
		}
	}
}

// procFiles reads short files below /proc, one after the other.
type procFiles struct {
	dir int
	buf [1024]byte // more than a line of /proc/PID/stat takes
}

// read returns what the file holds, until the next read; nothing when it is gone.
func (f *procFiles) read(name string) []byte {
	fd, err := unix.Openat(f.dir, name, unix.O_RDONLY|unix.O_CLOEXEC, 0)
	if err != nil {
		return nil
	}
	defer unix.Close(fd)
	n, _ := unix.Read(fd, f.buf[:])
	return f.buf[:max(n, 0)]
}

// parseLogin is a login uid, unset when it is not known.
func parseLogin(text []byte) uint32 {
	uid, err := strconv.ParseUint(string(bytes.TrimSpace(text)), 10, 32)
	if err != nil {
		return unset
	}
	return uint32(uid)
}

// controlling finds what a process calls itself and its controlling terminal, 0 for
// none, in its line of /proc/PID/stat (proc(5), tty_nr).
func controlling(stat []byte) (command string, device uint64) {
	_, rest, _ := bytes.Cut(stat, []byte("("))
	end := bytes.LastIndexByte(rest, ')')
	if end < 0 {
		return "", 0
	}
	name, rest := rest[:end], rest[end+1:]
	var field []byte
	for range 6 { // nothing, state, ppid, pgrp, session, tty_nr
		field, rest, _ = bytes.Cut(rest, []byte(" "))
	}
	n, err := strconv.ParseInt(string(field), 10, 64)
	nr := uint32(n) // new_encode_dev in the kernel's kdev_t.h
	if err != nil || nr == 0 {
		return "", 0
	}
	return string(name), unix.Mkdev(nr>>8&0xfff, nr&0xff|nr>>12&0xfff00)
}

// pathOf finds the device's name, "" when there is none here: of a terminal in a
// container that has its own, the device of that number is another one or none.
func pathOf(root string, device uint64) string {
	major, minor := unix.Major(device), unix.Minor(device)
	var name string
	switch {
	case major == 136:
		name = fmt.Sprintf("pts/%d", minor)
	case major == 4 && minor < 64:
		name = fmt.Sprintf("tty%d", minor)
	case major == 4:
		name = fmt.Sprintf("ttyS%d", minor-64)
	default:
		link, err := os.Readlink(fmt.Sprintf("/sys/dev/char/%d:%d", major, minor))
		if err != nil {
			return ""
		}
		name = filepath.Base(link)
	}
	path, found := lookUp(root, name)
	if found != device {
		return ""
	}
	return path
}

// lookUp finds a terminal by the name that lists of logins have: without /dev/. What
// else has a name there is not even opened: that alone starts a watchdog, or turns a
// tape, and programs that are not root's may write to utmp.
func lookUp(root, name string) (path string, device uint64) {
	if name == "" || strings.Contains(name, "..") || strings.ContainsAny(name, "\x00\n") {
		return "", 0
	}
	path = root + "/dev/" + strings.TrimPrefix(name, "/dev/")
	var st unix.Stat_t
	if unix.Stat(path, &st) != nil || st.Mode&unix.S_IFMT != unix.S_IFCHR || !isTerminal(st.Rdev) {
		return "", 0
	}
	return path, st.Rdev
}

// isTerminal asks the kernel of which class a character device is; the other ends of
// pseudo-terminals, majors 136 to 143 (devices.txt), are in none.
func isTerminal(device uint64) bool {
	major := unix.Major(device)
	if 136 <= major && major <= 143 {
		return true
	}
	link, err := os.Readlink(fmt.Sprintf("/sys/dev/char/%d:%d", major, unix.Minor(device)))
	return err == nil && filepath.Base(filepath.Dir(link)) == "tty"
}

const userProcess = 7 // ut_type of a login, utmp(5)

// byUtmp reads the list that login programs keep where there is one.
func byUtmp(root string, add addTerminal) {
	const line, lineEnd = 8, 40
	size := utmpSize()
	text, err := os.ReadFile(root + "/run/utmp")
	if err != nil {
		return
	}
	for ; len(text) >= size; text = text[size:] {
		pid := int(int32(binary.NativeEndian.Uint32(text[4:])))
		if binary.NativeEndian.Uint16(text) != userProcess || unix.Kill(pid, 0) == unix.ESRCH {
			continue
		}
		name, _, _ := bytes.Cut(text[line:lineEnd], []byte{0})
		if path, device := lookUp(root, string(name)); device != 0 {
			add(path, device, Person{UID: loginOf(pid)})
		}
	}
}

// utmpSize is that of struct utmp, utmp(5).
func utmpSize() int {
	if runtime.GOARCH == "arm64" {
		return 400
	}
	return 384
}

func loginOf(pid int) uint32 {
	text, _ := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid))
	return parseLogin(text)
}

// byLogind reads the files by which logind tells its library of sessions: D-Bus
// may be what does not work.
func byLogind(root string, add addTerminal) {
	files, err := filepath.Glob(root + "/run/systemd/sessions/*")
	if err != nil {
		return
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil || strings.HasSuffix(file, ".ref") {
			continue
		}
		session := map[string]string{}
		for line := range strings.Lines(string(text)) {
			key, value, _ := strings.Cut(strings.TrimSuffix(line, "\n"), "=")
			session[key] = value
		}
		uid, err := strconv.ParseUint(session["UID"], 10, 32)
		if err != nil || session["STATE"] == "closing" {
			continue
		}
		if path, device := lookUp(root, session["TTY"]); device != 0 {
			add(path, device, Person{UID: uint32(uid)})
		}
	}
}
