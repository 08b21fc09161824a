package warning

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"

	"auditbridge/internal/audittest"
)

func codes(all []Warning) string {
	var found []string
	for _, w := range all {
		found = append(found, w.Code)
	}
	return strings.Join(found, " ")
}

// Every warning says what, why and what to do, in sentences; no code stands twice.
func TestEveryWarningIsExplained(t *testing.T) {
	codes, kinds := known()
	for _, code := range codes {
		w := kinds[code]
		for _, text := range []string{w.Description, w.Remedy} {
			if !strings.HasSuffix(text, ".") {
				t.Errorf("%s: %q is no sentence", code, text)
			}
		}
		if w.Title == "" || strings.HasSuffix(w.Title, ".") || strings.ContainsAny(w.Title, "'\"") { // it stands in a record
			t.Errorf("%s: title %q", code, w.Title)
		}
	}
	if len(kinds) != len(codes) {
		t.Errorf("%d codes of %d warnings", len(codes), len(kinds))
	}
}

// What the kernel's settings are reason for.
func TestWarningsOfTheKernel(t *testing.T) {
	for _, row := range []struct {
		is   Kernel
		want string
	}{
		{Kernel{BacklogLimit: 8192, Rules: 40}, ""},
		{Kernel{BacklogLimit: 0, Rules: -1}, ""},
		{Kernel{BacklogLimit: 8191, Rules: 1}, "backlog-small"},
		{Kernel{BacklogLimit: 64, RateLimit: 100, Rules: 0}, "backlog-small rate-limit no-rules"},
	} {
		if got := codes(row.is.Warnings()); got != row.want {
			t.Errorf("%+v: %q, want %q", row.is, got, row.want)
		}
	}
}

const (
	header   = "sk               Eth Pid        Groups   Rmem     Wmem     Dump  Locks    Drops    Inode\n"
	owner    = "0000000000000001 9   4711       00000000 0        0        0     2        0        41\n"
	listener = "0000000000000002 9   1          00000001 0        0        0     2        0        42\n"
	route    = "0000000000000003 0   1          00000001 0        0        0     2        0        43\n"
	wanted   = "usr/lib/systemd/system/sockets.target.wants/systemd-journald-audit.socket"
)

// What a host's files are reason for: a name beside which "->" stands is a link.
func TestWarningsOfTheHost(t *testing.T) {
	const fine = "quiet audit=1 audit_backlog_limit=8192"
	systemd := map[string]string{"proc/cmdline": fine, "run/systemd/system/": "", "proc/net/netlink": header + owner + route}
	with := func(more ...string) map[string]string {
		all := map[string]string{}
		for name, text := range systemd {
			all[name] = text
		}
		for i := 0; i < len(more); i += 2 {
			all[more[i]] = more[i+1]
		}
		return all
	}
	for _, row := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"nothing can be read", nil, ""},
		{"as it should be", systemd, ""},
		{"no audit=1", with("proc/cmdline", "quiet"), "boot-audit"},
		{"audit=on", with("proc/cmdline", "audit=on audit_backlog_limit=0"), ""},
		{"switched off behind", with("proc/cmdline", fine+" audit=0"), "boot-audit"},
		{"said to init", with("proc/cmdline", "quiet -- audit=1"), "boot-audit"},
		{"the kernel's own queue", with("proc/cmdline", "audit=1"), "boot-backlog"},
		{"a short queue", with("proc/cmdline", "audit=1 audit_backlog_limit=320"), "boot-backlog"},
		{"another listener", with("proc/net/netlink", header+listener, "proc/1/comm", "systemd\n", "proc/1/fd/7", "->socket:[41]", "proc/9/comm", "auditbeat\n", "proc/9/fd/3", "->socket:[42]"), ""},
		{"systemd's socket", with("proc/net/netlink", header+listener, "proc/1/comm", "systemd\n", "proc/1/fd/7", "->socket:[42]"), "journald-reads"},
		{"journald's socket", with("proc/net/netlink", header+owner+listener, "proc/88/comm", "systemd-journal\n", "proc/88/fd/3", "->socket:[42]"), "journald-reads"},
		{"whose it is is not to be seen", with("proc/net/netlink", header+listener, "proc/1/comm", "systemd\n", wanted, "->../x"), "journald-reads"},
		{"of one of them it is not to be seen", with("proc/net/netlink", header+listener, "proc/1/comm", "systemd\n", "proc/88/comm", "systemd\n", "proc/88/fd/3", "->socket:[41]", wanted, "->../x"), "journald-reads"},
		{"the same, and its unit is masked", with("proc/net/netlink", header+listener, wanted, "->../x", "etc/systemd/system/systemd-journald-audit.socket", "->/dev/null"), ""},
		{"the same, and its unit is not there", with("proc/net/netlink", header+listener), ""},
		{"nobody listens, whatever is wanted", with(wanted, "->../x"), ""},
		{"no systemd", map[string]string{"proc/cmdline": fine, "proc/net/netlink": header + listener, wanted: "->../x"}, ""},
		{"Audit=no", with("etc/systemd/journald.conf", "[Journal]\n#Audit=yes\nAudit=no\n"), "journald-switches-off"},
		{"Audit=yes", with("etc/systemd/journald.conf", "[Journal]\nAudit=yes\n"), ""},
		{"taken back in a drop-in", with("etc/systemd/journald.conf", "Audit=off\n", "etc/systemd/journald.conf.d/a.conf", "[Journal]\nAudit=\n"), ""},
		{"a vendor's drop-in", with("usr/lib/systemd/journald.conf.d/b.conf", "Audit=0\n"), "journald-switches-off"},
		{"a vendor's drop-in that is hidden", with("usr/lib/systemd/journald.conf.d/b.conf", "Audit=0\n", "etc/systemd/journald.conf.d/b.conf", "\n"), ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			h := Host{Root: t.TempDir(), Kernel: true}
			for name, text := range row.files {
				put(t, filepath.Join(h.Root, name), text, strings.HasSuffix(name, "/"))
			}
			if got := codes(h.Warnings()); got != row.want {
				t.Errorf("%q, want %q", got, row.want)
			}
			h.Kernel = false
			if got := codes(h.Warnings()); got != "" {
				t.Errorf("where records are another host's: %q", got)
			}
		})
	}
}

func put(t *testing.T, name, text string, dir bool) {
	t.Helper()
	err := os.MkdirAll(filepath.Dir(name), 0o755)
	to, link := strings.CutPrefix(text, "->")
	switch {
	case err != nil:
	case dir:
		err = os.MkdirAll(name, 0o755)
	case link:
		err = os.Symlink(to, name)
	default:
		err = os.WriteFile(name, []byte(text), 0o644)
	}
	if err != nil {
		t.Fatal(err)
	}
}

// Beside auditd our unit must not take its place: what has it do so is hidden then.
func TestAUnitThatWouldStopAuditd(t *testing.T) {
	const auditd, takes = "usr/lib/systemd/system/auditd.service", "usr/lib/systemd/system/auditbridge.service.d/kernel.conf"
	const hides = "etc/systemd/system/auditbridge.service.d/kernel.conf"
	for _, row := range []struct {
		name  string
		files map[string]string
		want  string
	}{
		{"as installed", map[string]string{auditd: "", takes: ""}, "stops-auditd"},
		{"hidden", map[string]string{auditd: "", takes: "", hides: "->/dev/null"}, ""},
		{"another one in its place", map[string]string{auditd: "", takes: "", hides: "[Unit]\n"}, ""},
		{"no auditd", map[string]string{takes: ""}, ""},
		{"auditd is masked", map[string]string{auditd: "", takes: "", "etc/systemd/system/auditd.service": "->/dev/null"}, ""},
		{"not installed", map[string]string{auditd: ""}, ""},
	} {
		h := Host{Root: t.TempDir(), Beside: true}
		for name, text := range row.files {
			put(t, filepath.Join(h.Root, name), text, false)
		}
		if got := codes(h.Warnings()); got != row.want {
			t.Errorf("%s: %q, want %q", row.name, got, row.want)
		}
		h.Beside = false
		if got := codes(h.Warnings()); got != "" {
			t.Errorf("%s, in its place: %q", row.name, got)
		}
	}
}

// The journal has a file system of its own when that is mounted at its directory, or
// holds nothing else; whether its directory is there yet or not.
func TestWhoSharesTheJournalsFileSystem(t *testing.T) {
	root := t.TempDir()
	mount := func(name string) string {
		t.Helper()
		at := filepath.Join(root, name)
		if err := os.MkdirAll(at, 0o755); err != nil {
			t.Fatal(err)
		}
		if err := unix.Mount("none", at, "tmpfs", 0, "size=64k"); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { unix.Unmount(at, unix.MNT_DETACH) })
		return at
	}
	own, alone, shared := mount("own"), mount("alone"), mount("shared")
	put(t, filepath.Join(own, "of-others"), "", false)
	put(t, filepath.Join(alone, "lost+found"), "", true)
	put(t, filepath.Join(alone, "audit"), "", true)
	put(t, filepath.Join(shared, "of-others"), "", false)
	for _, row := range []struct{ dir, want string }{
		{own, ""},
		{filepath.Join(alone, "audit/auditbridge"), ""},
		{filepath.Join(alone, "not-there-yet"), "shared-disk"},
		{filepath.Join(shared, "auditbridge"), "shared-disk"},
		{filepath.Join(root, "auditbridge"), "shared-disk"},
		{"relative", ""},
	} {
		all := Host{Root: root, JournalDir: row.dir}.Warnings()
		if got := codes(all); got != row.want {
			t.Errorf("%s: %q, want %q", row.dir, got, row.want)
		}
		if row.want != "" && !strings.Contains(all[0].String(), "(it lies on that of /") {
			t.Errorf("%s: does not say whose: %s", row.dir, &all[0])
		}
	}
}

// A socket that listens to audit is found among those of this very kernel.
func TestListenersOfThisKernel(t *testing.T) {
	audittest.Kernel(t)
	before := len(Host{Root: "/"}.listeners())
	fd, err := unix.Socket(unix.AF_NETLINK, unix.SOCK_RAW|unix.SOCK_CLOEXEC, unix.NETLINK_AUDIT)
	if err != nil {
		t.Fatal(err)
	}
	defer unix.Close(fd)
	if err := unix.Bind(fd, &unix.SockaddrNetlink{Family: unix.AF_NETLINK, Groups: 1}); err != nil {
		t.Fatal(err)
	}
	all := Host{Root: "/"}.listeners()
	to, err := os.Readlink(fmt.Sprintf("/proc/self/fd/%d", fd))
	if err != nil || !all[to] || len(all) != before+1 {
		t.Errorf("%q is not among %v, %v", to, all, err)
	}
}
