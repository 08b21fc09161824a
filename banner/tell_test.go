package banner

import (
	"encoding/binary"
	"fmt"
	"os"
	"path/filepath"
	"runtime/pprof"
	"strings"
	"testing"

	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

const person = 46234 // a login uid that nobody has

// Everybody who is logged in at a terminal sees a message (which makes two carriage
// returns of one, being in its ordinary mode), by their login uid
// alone: there is no utmp, and no logind. One that is stopped sees it not, and
// delays nobody.
func TestEveryTerminalIsTold(t *testing.T) {
	root := t.TempDir()
	a, b := peertest.StartPerson(t, root, person, "bash"), peertest.StartPerson(t, root, person+1, "vim")
	stopped := peertest.StartPerson(t, root, person, "less")
	stopped.Stop(t)
	told := (&Teller{Root: root}).Tell("AUDITING IS IMPAIRED\nsecond line\n")
	if told != (Told{Reached: 2, Missed: 1}) {
		t.Errorf("%+v", told)
	}
	for _, p := range []*peertest.Person{a, b} {
		p.Sees(t, "\aAUDITING IS IMPAIRED\r\r\nsecond line\r\r\n")
	}
	stopped.Resume(t)
	if strings.Contains(stopped.Shown(), "IMPAIRED") {
		t.Error("what was not taken is shown later")
	}
}

// A terminal that has taken one message can have the next: nobody is still at it.
func TestATerminalThatWasToldIsFree(t *testing.T) {
	root := t.TempDir()
	peertest.StartPerson(t, root, person, "bash")
	teller := Teller{Root: root}
	for n := range 100 {
		told := teller.Tell(fmt.Sprintf("message %d", n))
		teller.mu.Lock()
		busy := len(teller.busy)
		teller.mu.Unlock()
		if told.Reached == 1 && busy > 0 {
			t.Fatalf("message %d was taken, and the next would not be", n)
		}
	}
}

// Somebody who stops hundreds of terminals of his own has no thread of ours waiting
// at each of them: a process is allowed only so many, and would die of it.
func TestManyStoppedTerminalsTakeNoThreads(t *testing.T) {
	const many = 300
	root := t.TempDir()
	var utmp []byte
	for range many {
		utmp = append(utmp, loginEntry(userProcess, os.Getpid(), peertest.StoppedTerminal(t, root))...)
	}
	if err := os.Mkdir(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(root, "run/utmp"), utmp, 0o644); err != nil {
		t.Fatal(err)
	}
	threads := pprof.Lookup("threadcreate")
	before := threads.Count()
	if told := (&Teller{Root: root}).Tell("AUDITING IS IMPAIRED"); told != (Told{Missed: many}) {
		t.Errorf("%+v", told)
	}
	if more := threads.Count() - before; more > many/3 {
		t.Errorf("%d threads for %d terminals", more, many)
	}
}

// What is said of a process or a path cannot move a cursor, recolour a screen, or
// answer for its owner.
func TestNothingOnATerminalDoesMoreThanShowItself(t *testing.T) {
	root := t.TempDir()
	p := peertest.StartPerson(t, root, person, "sh")
	(&Teller{Root: root}).Tell("evil \x1b]0;title\a\x1b[2J\x1b[c name\u202e \x9b31m\rover")
	p.Sees(t, `evil \x1B]0;title\x07\x1B[2J\x1B[c name\u{202E} \x9B31m\x0Dover`)
}

// What a process calls itself, blanks and parentheses included, hides no terminal.
func TestAProcessOfAnyNameHasItsTerminal(t *testing.T) {
	root := t.TempDir()
	for _, name := range []string{"x) R 1 1 (y", ")", "a b", "((("} {
		p := peertest.StartPerson(t, root, person, name)
		found := false
		for _, at := range Terminals(root) {
			if at.Path == filepath.Join(root, "dev", p.Terminal) {
				found = at.People[0] == Person{person, name}
			}
		}
		if !found {
			t.Errorf("the terminal of %q is not found: %+v", name, Terminals(root))
		}
	}
}

// Rules leave out what programs drive: a terminal by its name, or one where every
// login is named, by user or by what runs there.
func TestAutomationIsLeftOut(t *testing.T) {
	root := t.TempDir()
	human := peertest.StartPerson(t, root, person, "bash")
	robot := peertest.StartPerson(t, root, person+1, "expect")
	for _, rule := range []string{"terminal=" + robot.Terminal, fmt.Sprintf("user=%d", person+1), "command=exp*"} {
		x, err := ParseExclusion(rule)
		if err != nil {
			t.Fatal(err)
		}
		text := "by " + rule
		if told := (&Teller{Root: root, Exclude: []Exclusion{x}}).Tell(text); told != (Told{Reached: 1, Excluded: 1}) {
			t.Errorf("%s: %+v", rule, told)
		}
		human.Sees(t, text)
	}
	if strings.Contains(robot.Shown(), "by ") {
		t.Errorf("shown to a robot: %q", robot.Shown())
	}
	for _, wrong := range []string{"", "pts/1", "user", "user=", "terminal=[", "host=x"} {
		if _, err := ParseExclusion(wrong); err == nil {
			t.Errorf("taken for a rule: %q", wrong)
		}
	}
}

// Where logins are kept in utmp or by logind, terminals of processes without a
// login uid count, too; each is told once. Entries of the dead, of sessions that
// close and of no terminal do not count, nor does a path that leads out of /dev.
func TestListsOfLoginsAreMerged(t *testing.T) {
	root := t.TempDir()
	p := peertest.StartPerson(t, root, person, "sh")
	q := peertest.StartPerson(t, root, 1<<32-1, "login") // nobody, as far as the kernel knows
	r := peertest.StartPerson(t, root, 1<<32-1, "login")
	write := func(name string, text []byte) {
		t.Helper()
		path := filepath.Join(root, name)
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(path, text, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if all := Terminals(root); len(all) != 1 {
		t.Errorf("without lists: %+v", all)
	}
	var utmp []byte
	for _, e := range []struct {
		kind uint16
		pid  int
		line string
	}{{userProcess, p.PID, p.Terminal}, {userProcess, q.PID, q.Terminal}, {8, r.PID, r.Terminal}, {userProcess, 1 << 30, r.Terminal}, {userProcess, q.PID, "../etc/passwd"}} {
		utmp = append(utmp, loginEntry(e.kind, e.pid, e.line)...)
	}
	write("run/utmp", utmp)
	write("run/systemd/sessions/1", []byte("# private\nUID=46234\nTTY="+p.Terminal+"\nSTATE=active\n"))
	write("run/systemd/sessions/2", []byte("UID=46234\nSTATE=active\n"))
	write("run/systemd/sessions/3", []byte("UID=46234\nTTY="+r.Terminal+"\nSTATE=closing\n"))
	if all := Terminals(root); len(all) != 2 {
		t.Errorf("with utmp: %+v", all)
	}
	write("run/systemd/sessions/4", []byte("UID=46234\nTTY="+r.Terminal+"\nSTATE=online\n"))
	if all := Terminals(root); len(all) != 3 {
		t.Errorf("with logind, too: %+v", all)
	}
	if told := (&Teller{Root: root}).Tell("once"); told.Reached != 3 {
		t.Errorf("%+v", told)
	}
	p.Sees(t, "once")
	if n := strings.Count(p.Shown(), "once"); n != 1 {
		t.Errorf("told %d times", n)
	}
}

// Whoever may write to utmp has nothing opened that is no terminal: to open a
// watchdog starts it.
func TestOnlyTerminalsAreOpened(t *testing.T) {
	root := t.TempDir()
	if err := os.MkdirAll(filepath.Join(root, "dev"), 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.MkdirAll(filepath.Join(root, "run"), 0o755); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		name         string
		major, minor uint32
		terminal     bool
	}{
		{"pts", 136, 4711, true}, {"console", 5, 1, true}, {"null", 1, 3, false}, {"watchdog", 10, 130, false}, {"nothing", 199, 77, false},
	} {
		if err := unix.Mknod(filepath.Join(root, "dev", row.name), unix.S_IFCHR|0o600, int(unix.Mkdev(row.major, row.minor))); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(root, "run/utmp"), loginEntry(userProcess, os.Getpid(), row.name), 0o644); err != nil {
			t.Fatal(err)
		}
		if found := len(Terminals(root)) == 1; found != row.terminal {
			t.Errorf("%s is taken for a terminal: %v", row.name, found)
		}
	}
}

// loginEntry is one of utmp.
func loginEntry(kind uint16, pid int, line string) []byte {
	entry := make([]byte, utmpSize())
	binary.NativeEndian.PutUint16(entry, kind)
	binary.NativeEndian.PutUint32(entry[4:], uint32(pid))
	copy(entry[8:40], line)
	return entry
}
