package main

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditbridge/auditbridge"
	"auditbridge/internal/accounts"
	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
)

// TestTheJournalNamesItsPeople: what useradd, usermod and userdel do while run
// is alive stands in the journal, and whoever reads it in order, anywhere,
// learns who had an id when. The host's files are copies, in a mount namespace.
func TestTheJournalNamesItsPeople(t *testing.T) {
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
	onHost := func(args ...string) {
		t.Helper()
		command(t, append([]string{"nsenter", "--mount", fmt.Sprint("--target=", d.cmd.Process.Pid)}, args...)...)
	}
	recorded := func(what string) {
		t.Helper()
		peertest.Until(t, what+" is on record", func() bool { return strings.Contains(strings.Join(d.journalLines(), "\n"), what) })
		if _, err := fmt.Fprintf(d.stdin, "type=USER msg=audit(1709742929.678:1): after %s\n", what); err != nil {
			t.Fatal(err)
		}
		peertest.Until(t, "a record after it is stored", func() bool { return strings.Contains(strings.Join(d.journalLines(), "\n"), "after "+what) })
	}
	recorded("table=group")
	onHost("useradd", "-M", "-u", "41234", "alice")
	recorded("added=41234:alice")
	onHost("usermod", "-l", "alicia", "alice")
	recorded("renamed=41234:alice>alicia")
	onHost("userdel", "alicia")
	recorded("removed=41234:alicia")
	d.stop()

	var names []string
	r := accounts.NewReader(nil)
	all := auditbridge.NewReassembler(auditbridge.Limits{})
	see := func(e *auditbridge.Event) {
		r.Observe(e)
		if bytes.Contains(e.Records[0].Line, []byte("after ")) {
			user, _ := r.AppendUser(nil, "", 41234)
			root, _ := r.AppendGroup(nil, "", 0)
			names = append(names, fmt.Sprintf("%s, %s", root, user))
		}
	}
	for i, line := range d.journalLines() {
		all.Push(auditbridge.Sequence(i+1), []byte(line), see)
	}
	all.Flush(see)
	if want := []string{"root, ", "root, alice", "root, alicia", "root, "}; !slices.Equal(names, want) {
		t.Errorf("the reader knows %q, want %q", names, want)
	}
	// ausearch takes the records for what they are.
	out := command(t, "ausearch", "-if", d.journal, "-m", "DAEMON_CONFIG", "--raw")
	for _, want := range []string{"op=accounts ", "renamed=41234:alice>alicia"} {
		if !strings.Contains(out, want) {
			t.Errorf("ausearch does not find %q", want)
		}
	}
}

func TestAccountsNeedNotBeRecorded(t *testing.T) {
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
