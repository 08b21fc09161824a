package main

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
)

// TestTheJournalNamesItsPeople: what useradd, usermod and userdel do while run
// is alive stands in the journal, and whoever reads it in order, anywhere,
// learns who had an id when. The host's files are copies, in a mount namespace.
func TestTheJournalNamesItsPeople(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t) // those three tell it
	d := newDaemon(t, fromStdin)
	etc := filepath.Join(d.dir, "etc")
	command(t, "cp", "-a", "/etc", etc)
	self, err := os.Executable()
	must(t, err)
	named := filepath.Join(d.dir, "auditbridge") // by this name it is the program
	must(t, os.Symlink(self, named))
	d.as = func(cmd *exec.Cmd) {
		inside := exec.Command("unshare", "--mount", "sh", "-c", `mount --make-rprivate / && mount --bind "$0" /etc && exec "$@"`, etc, named)
		cmd.Path, cmd.Args = inside.Path, append(inside.Args, cmd.Args[1:]...)
	}
	d.start()
	serial := 0
	onHost := func(args ...string) {
		t.Helper()
		command(t, append([]string{"nsenter", "--mount", fmt.Sprint("--target=", d.cmd.Process.Pid)}, args...)...)
	}
	recorded := func(what string) {
		t.Helper()
		peertest.Until(t, what+" is on record", func() bool { return strings.Contains(strings.Join(d.journalLines(), "\n"), what) })
		serial++
		login := fmt.Sprintf("type=USER_LOGIN msg=audit(1709742929.678:%d): pid=1 uid=0 auid=41234 ses=1 msg='op=login res=success'\n", serial)
		d.feed(login)
		peertest.Until(t, "a login after it is stored", func() bool { return slices.Contains(d.journalLines(), strings.TrimSuffix(login, "\n")) })
	}
	recorded("table=group")
	onHost("useradd", "-M", "-u", "41234", "alice")
	recorded("added=41234:alice")
	onHost("usermod", "-l", "alicia", "alice")
	recorded("renamed=41234:alice>alicia")
	onHost("userdel", "alicia")
	recorded("removed=41234:alicia")
	d.stop()

	// Only logins are printed, and only the log's own tables asked: this host
	// has no such user.
	out, errs, code := auditbridgeCommand(t, "read", "-i", "--ids", "recorded", "--include", "login", d.journal)
	if code != 0 {
		t.Fatalf("read exits %d: %s", code, errs)
	}
	var names []string
	for line := range strings.Lines(out) {
		var e struct {
			Records []struct{ Interpreted struct{ AUID, UID string } }
		}
		must(t, json.Unmarshal([]byte(line), &e))
		names = append(names, e.Records[0].Interpreted.UID+" "+e.Records[0].Interpreted.AUID)
	}
	if want := []string{"root ", "root alice", "root alicia", "root "}; !slices.Equal(names, want) {
		t.Errorf("the log names %q, want %q", names, want)
	}
	// ausearch takes the records for what they are.
	out = command(t, "ausearch", "-if", d.journal, "-m", "DAEMON_CONFIG", "--raw")
	for _, want := range []string{"op=accounts ", "renamed=41234:alice>alicia"} {
		if !strings.Contains(out, want) {
			t.Errorf("ausearch does not find %q", want)
		}
	}
}

// TestEverySegmentHasTheTables: retention drops whole segments, the one of the
// start first.
func TestEverySegmentHasTheTables(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin+"max-size = \"16MiB\"\n")
	d.start()
	segments := func() []string {
		all, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
		must(t, err)
		return all
	}
	record := "type=USER msg=audit(1709742929.678:1): " + strings.Repeat("x", 4000) + "\n"
	peertest.Until(t, "a second segment begins", func() bool {
		d.feed(strings.Repeat(record, 64))
		return len(segments()) > 1
	})
	peertest.Until(t, "it has the tables", func() bool {
		d.feed(record) // an idle host has nothing to name
		text, err := os.ReadFile(segments()[1])
		must(t, err)
		return strings.Contains(string(text), " op=accounts auid=") && strings.Contains(string(text), " table=group ")
	})
	d.stop()
	d.verifies(d.journal)
}

func TestAccountsNeedNotBeRecorded(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin+"record-accounts = \"never\"\n")
	d.start()
	d.stop()
	if all := strings.Join(d.journalLines(), "\n"); strings.Contains(all, "op=accounts") {
		t.Errorf("the journal has\n%s", all)
	}
}

// command runs one of the host's programs to its end.
func command(t *testing.T, args ...string) string {
	t.Helper()
	out, err := exec.Command(args[0], args[1:]...).CombinedOutput()
	if err != nil {
		t.Fatalf("%s: %v\n%s", strings.Join(args, " "), err, out)
	}
	return string(out)
}
