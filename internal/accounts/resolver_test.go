package accounts

import (
	"fmt"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// host is a host of the test's: two files, and a getent that is a script.
type host struct {
	t   *testing.T
	dir string
	cfg Config
	*Resolver
	now time.Time
}

// newHost has alice and wheel in its files. The script keeps a list of what it
// is asked; then it does as answer says.
func newHost(t *testing.T, answer string) *host {
	t.Helper()
	h := &host{t: t, dir: t.TempDir(), now: time.Now()}
	h.cfg = Config{Passwd: filepath.Join(h.dir, "passwd"), Group: filepath.Join(h.dir, "group"), Node: "here", Timeout: time.Minute}
	write(t, h.cfg.Passwd, "root:x:0:0:::\nalice:x:1000:1000:::\n")
	write(t, h.cfg.Group, "root:x:0:\nwheel:x:10:alice\n")
	if answer != "" {
		h.cfg.Getent = filepath.Join(h.dir, "getent")
		script := fmt.Sprintf("#!/bin/sh\necho \"$$ $@\" >> %s/asked\n%s\n", h.dir, answer)
		writeProgram(t, h.cfg.Getent, script)
	}
	h.open()
	return h
}

// writeProgram lets no process start while the file is open: it would inherit it
// open for writing, and what is so cannot be executed (ETXTBSY).
func writeProgram(t *testing.T, path, text string) {
	t.Helper()
	syscall.ForkLock.RLock()
	defer syscall.ForkLock.RUnlock()
	if err := os.WriteFile(path, []byte(text), 0o755); err != nil {
		t.Fatal(err)
	}
}

func (h *host) open() {
	h.Resolver = NewResolver(h.cfg)
	h.users.clock = func() time.Time { return h.now }
	h.groups.clock = h.users.clock
}

func (h *host) user(id uint32) string  { return h.named(h.AppendUser, "", id) }
func (h *host) group(id uint32) string { return h.named(h.AppendGroup, "", id) }

// named asks, and holds the answer to the contract: dst is appended to, or
// stands as it was.
func (h *host) named(ask func([]byte, string, uint32) ([]byte, bool), node string, id uint32) string {
	h.t.Helper()
	dst, ok := ask([]byte("id="), node, id)
	name, begun := strings.CutPrefix(string(dst), "id=")
	if !begun || ok != (name != "") {
		h.t.Fatalf("%d on %q: %q, %v", id, node, dst, ok)
	}
	return name
}

// asked is what getent was asked: "passwd 7".
func (h *host) asked() (all []string) {
	text, _ := os.ReadFile(filepath.Join(h.dir, "asked"))
	for line := range strings.Lines(string(text)) {
		_, question, _ := strings.Cut(strings.TrimSpace(line), " ")
		all = append(all, question)
	}
	return all
}

func (h *host) wantAsked(want ...string) {
	h.t.Helper()
	if got := h.asked(); fmt.Sprint(got) != fmt.Sprint(want) {
		h.t.Fatalf("getent was asked %q, want %q", got, want)
	}
}

func (h *host) want(got, want string) {
	h.t.Helper()
	if got != want {
		h.t.Fatalf("named %q, want %q", got, want)
	}
}

// directory answers like getent of a host with a directory in which 2000 is
// bob, 3000 staff, and no others.
const directory = `case "$*" in
	"passwd 2000") echo "bob:*:2000:2000:Bob:/home/bob:/bin/sh";;
	"group 3000") echo "staff:*:3000:bob";;
	*) exit 2;;
esac`

func TestFilesFirst(t *testing.T) {
	h := newHost(t, directory)
	h.want(h.user(1000), "alice")
	h.want(h.group(10), "wheel")
	h.wantAsked()
	h.want(h.user(2000), "bob")
	h.want(h.group(3000), "staff")
	h.want(h.user(3000), "")
	h.want(h.user(unset), "")
	h.wantAsked("passwd 2000", "group 3000", "passwd 3000")
}

func TestFilesOnly(t *testing.T) {
	h := newHost(t, "")
	h.want(h.user(1000), "alice")
	h.want(h.user(2000), "")
}

// What getent said, yes or no, is not asked again for ten minutes.
func TestWhatGetentSaidIsRemembered(t *testing.T) {
	h := newHost(t, directory)
	for range 3 {
		h.want(h.user(2000), "bob")
		h.want(h.user(77), "")
		h.now = h.now.Add(toldFor/3 - time.Second)
	}
	h.wantAsked("passwd 2000", "passwd 77")
	h.now = h.now.Add(toldFor)
	h.want(h.user(77), "")
	h.wantAsked("passwd 2000", "passwd 77", "passwd 77")
}

func TestWhatIsRememberedIsBounded(t *testing.T) {
	h := newHost(t, directory)
	h.want(h.user(2000), "bob")
	for id := uint32(1 << 20); len(h.users.told) < maxTold; id++ {
		h.users.remember(id, told{"", h.now.Add(toldFor)})
	}
	h.want(h.user(77), "")
	if n := len(h.users.told); n != 1 {
		t.Errorf("%d answers are remembered", n)
	}
	h.want(h.user(2000), "bob")
}

// Every way in which getent does not answer costs one question a minute, not
// one for each id, and nothing is taken for a "no".
func TestGetentThatDoesNotAnswer(t *testing.T) {
	for _, row := range []struct {
		name, script string
		timeout      time.Duration
	}{
		{"hangs", "exec sleep 600", 50 * time.Millisecond},
		{"ignores signals", "trap '' TERM INT HUP; while :; do sleep 600; done", 50 * time.Millisecond},
		{"its child keeps the pipe", "sleep 600 &\nexit 0", 50 * time.Millisecond},
		{"fails", "exit 1", time.Minute},
		{"is killed", "kill -9 $$", time.Minute},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHost(t, row.script)
			h.cfg.Timeout = row.timeout
			h.open()
			for id := range uint32(300) {
				h.want(h.user(5000+id), "")
				h.want(h.group(5000+id), "")
			}
			h.want(h.user(1000), "alice")
			h.untilNothingIsLeft(row.name == "its child keeps the pipe")
			if n := len(h.asked()); n > 1 { // none when it was too slow to begin
				t.Fatalf("asked %d times", n)
			}
			write(t, filepath.Join(h.dir, "getent"), "#!/bin/sh\necho bob:x:5000:5000\n")
			h.want(h.user(5000), "")
			h.users.asking.timeout = time.Minute
			h.now = h.now.Add(getentQuiet + 2*row.timeout)
			h.want(h.user(5000), "bob")
		})
	}
}

// untilNothingIsLeft waits until the script and its children are gone. A child
// that outlived it is nobody's to kill but the test's.
func (h *host) untilNothingIsLeft(orphans bool) {
	peertest.Until(h.t, "getent is gone", func() bool { return !h.users.asking.hanging.Load() })
	text, _ := os.ReadFile(filepath.Join(h.dir, "asked"))
	for line := range strings.Lines(string(text)) {
		word, _, _ := strings.Cut(line, " ")
		pid, err := strconv.Atoi(word)
		if err != nil {
			h.t.Fatal(err)
		}
		if orphans {
			syscall.Kill(-pid, syscall.SIGKILL)
		}
		peertest.Until(h.t, "its process group is gone", func() bool { return syscall.Kill(-pid, 0) == syscall.ESRCH })
	}
}

func TestNoGetent(t *testing.T) {
	h := newHost(t, "exit 2")
	if err := os.Remove(h.cfg.Getent); err != nil {
		t.Fatal(err)
	}
	h.want(h.user(2000), "")
}

// A log full of ids that nobody has becomes no process for each.
func TestManyIDsWithoutNames(t *testing.T) {
	h := newHost(t, directory)
	for id := range uint32(3 * maxMisses) {
		h.want(h.user(100000+id), "")
	}
	if n := len(h.asked()); n != maxMisses {
		t.Fatalf("getent was started %d times", n)
	}
	h.now = h.now.Add(getentQuiet)
	h.want(h.user(2000), "bob")
}

func TestAnswersAreForeignText(t *testing.T) {
	for _, row := range []struct{ name, script, want string }{
		{"control bytes", `printf '\033[2Jbob\a:x:2000:1\n'`, `\x1B[2Jbob\x07`},
		{"somebody else", "echo eve:x:2001:1", ""},
		{"no entry", "echo bob", ""},
		{"nothing", "exit 0", ""},
		{"very long", "echo bob:x:2000:1:; head -c 10000000 /dev/zero", "bob"},
		{"its environment and place", `echo "$(echo $PATH | tr : +),$LC_ALL,$HOME,$PWD:x:2000:1"`, "/usr/bin+/bin,C,,/"},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := newHost(t, row.script)
			h.want(h.user(2000), row.want)
		})
	}
}

func TestAChangedFileIsReadAgain(t *testing.T) {
	h := newHost(t, "")
	h.want(h.user(1000), "alice")
	h.want(h.user(1001), "")
	write(t, h.cfg.Passwd+".new", "root:x:0:0:::\nalicia:x:1000:1000:::\ncarol:x:1001:1001:::\n")
	if err := os.Rename(h.cfg.Passwd+".new", h.cfg.Passwd); err != nil {
		t.Fatal(err)
	}
	h.want(h.user(1000), "alice") // within the second
	h.now = h.now.Add(lookInterval)
	h.want(h.user(1000), "alicia")
	h.want(h.user(1001), "carol")
	if err := os.Remove(h.cfg.Passwd); err != nil {
		t.Fatal(err)
	}
	h.now = h.now.Add(lookInterval)
	h.want(h.user(1000), "alicia") // what was known is not forgotten
}

// A change that leaves size and times as they were, within one tick of the
// file system's clock, is seen all the same.
func TestAChangeWithinOneTick(t *testing.T) {
	h := newHost(t, "")
	h.want(h.user(1000), "alice")
	write(t, h.cfg.Passwd, "root:x:0:0:::\nclara:x:1000:1000:::\n")
	if h.users.file.stamp != (stamp{}) {
		t.Fatal("a stamp is believed that is younger than the clock is fine")
	}
	h.now = h.now.Add(lookInterval)
	h.want(h.user(1000), "clara")
	h.now = h.now.Add(time.Hour)
	h.want(h.user(1000), "clara")
	if h.users.file.stamp == (stamp{}) {
		t.Error("a file that nobody writes any more is read every second")
	}
}

func TestWhatIsNoAccountFile(t *testing.T) {
	h := newHost(t, "")
	for _, make := range []func(path string) error{
		func(path string) error { return os.Mkdir(path, 0o755) },
		func(path string) error { return syscall.Mkfifo(path, 0o600) },
		func(path string) error { return os.Symlink("nowhere", path) },
	} {
		if err := os.RemoveAll(h.cfg.Passwd); err != nil {
			t.Fatal(err)
		}
		if err := make(h.cfg.Passwd); err != nil {
			t.Fatal(err)
		}
		h.open()
		h.want(h.user(1000), "")
	}
}

// An id of another host is not somebody of this one.
func TestWhoseIDs(t *testing.T) {
	for _, row := range []struct {
		word  string
		named []string // nodes
	}{
		{"host", []string{"", "here"}},
		{"any", []string{"", "here", "there", "here.example.com"}},
		{"recorded", nil},
	} {
		h := newHost(t, directory)
		whose, ok := ParseWhose(row.word)
		if !ok || whose.String() != row.word {
			t.Fatalf("ParseWhose(%q) = %v, %v", row.word, whose, ok)
		}
		h.cfg.Whose = whose
		h.open()
		var named []string
		for _, node := range []string{"", "here", "there", "here.example.com"} {
			name := h.named(h.AppendUser, node, 1000)
			h.want(h.named(h.AppendUser, node, 2000), strings.Replace(name, "alice", "bob", 1))
			h.want(h.named(h.AppendGroup, node, 10), strings.Replace(name, "alice", "wheel", 1))
			if name != "" {
				named = append(named, node)
			}
		}
		if fmt.Sprint(named) != fmt.Sprint(row.named) {
			t.Errorf("%s names ids of %q, want %q", row.word, named, row.named)
		}
	}
	if _, ok := ParseWhose("mine"); ok {
		t.Error("ParseWhose takes any word")
	}
}

func TestManyAskAtOnce(t *testing.T) {
	h := newHost(t, directory)
	var all sync.WaitGroup
	for range 8 {
		all.Go(func() {
			for range 100 {
				a, _ := h.AppendUser(nil, "", 1000)
				b, _ := h.AppendUser(nil, "", 2000)
				g, _ := h.AppendGroup(nil, "", 3000)
				if string(a) != "alice" || string(b) != "bob" || string(g) != "staff" {
					t.Errorf("%q %q %q", a, b, g)
				}
			}
		})
	}
	all.Wait()
	if n := len(h.asked()); n != 2 {
		t.Errorf("getent was started %d times", n)
	}
}

// The host's own: files and getent as they are here.
func TestThisHost(t *testing.T) {
	r := NewResolver(Config{Getent: FindGetent()})
	for _, row := range []struct {
		ask  func([]byte, string, uint32) ([]byte, bool)
		want string
	}{{r.AppendUser, "root"}, {r.AppendGroup, "root"}} {
		if got, ok := row.ask(nil, "", 0); string(got) != row.want || !ok {
			t.Errorf("0 is %q, %v", got, ok)
		}
	}
	if got, ok := r.AppendUser(nil, "", 3999999999); ok {
		t.Errorf("an id nobody has is %q", got)
	}
}

func TestAKnownNameAllocatesNothing(t *testing.T) {
	h := newHost(t, directory)
	h.user(2000)
	h.user(77)
	dst := make([]byte, 0, 64)
	for _, id := range []uint32{1000, 2000, 77} {
		if n := testing.AllocsPerRun(100, func() { h.AppendUser(dst, "", id) }); n != 0 {
			t.Errorf("%v allocations for %d", n, id)
		}
	}
}

func BenchmarkKnownName(b *testing.B) {
	r := NewResolver(Config{})
	dst := make([]byte, 0, 64)
	for b.Loop() {
		r.AppendUser(dst, "", 0)
	}
}
