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
	add := func(path string, device uint64, who Person) {
		at := found[device]
		if at == nil {
			at = &Terminal{Path: path, Device: device}
			found[device] = at
		}
		if !slices.Contains(at.People, who) {
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

func byProcess(root string, add addTerminal) {
	entries, err := os.ReadDir("/proc")
	if err != nil {
		return
	}
	paths := map[uint64]string{}
	for _, e := range entries {
		if name := e.Name(); name[0] < '0' || name[0] > '9' {
			continue
		}
		login, err := os.ReadFile("/proc/" + e.Name() + "/loginuid")
		uid, parseErr := strconv.ParseUint(strings.TrimSpace(string(login)), 10, 32)
		if err != nil || parseErr != nil || uid == unset {
			continue
		}
		command, device := controlling(e.Name())
		if device == 0 {
			continue
		}
		if _, known := paths[device]; !known {
			paths[device] = pathOf(root, device)
		}
		if paths[device] != "" {
			add(paths[device], device, Person{uint32(uid), command})
		}
	}
}

// controlling reads what a process calls itself and its controlling terminal, 0
// for none, from /proc/PID/stat (proc(5), tty_nr).
func controlling(pid string) (command string, device uint64) {
	stat, err := os.ReadFile("/proc/" + pid + "/stat")
	if err != nil {
		return "", 0
	}
	_, rest, _ := strings.Cut(string(stat), "(")
	end := strings.LastIndexByte(rest, ')')
	if end < 0 {
		return "", 0
	}
	fields := strings.Fields(rest[end+1:]) // from state on
	if len(fields) < 5 {
		return "", 0
	}
	n, err := strconv.ParseInt(fields[4], 10, 64)
	if err != nil {
		return "", 0
	}
	nr := uint32(n) // new_encode_dev in the kernel's kdev_t.h
	if nr == 0 {
		return rest[:end], 0
	}
	return rest[:end], unix.Mkdev(nr>>8&0xfff, nr&0xff|nr>>12&0xfff00)
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
	text, err := os.ReadFile(fmt.Sprintf("/proc/%d/loginuid", pid))
	uid, parseErr := strconv.ParseUint(strings.TrimSpace(string(text)), 10, 32)
	if err != nil || parseErr != nil {
		return unset
	}
	return uint32(uid)
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
