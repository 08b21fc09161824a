package banner

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func places(t *testing.T) *Places {
	root := t.TempDir()
	return &Places{Root: root, RunDir: filepath.Join(root, "run/auditbridge")}
}

func text(t *testing.T, path string) string {
	t.Helper()
	b, err := os.ReadFile(path)
	if errors.Is(err, fs.ErrNotExist) {
		return ""
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// everything lists the files below a root.
func everything(t *testing.T, root string) (files []string) {
	t.Helper()
	err := filepath.WalkDir(root, func(path string, d fs.DirEntry, err error) error {
		if err == nil && !d.IsDir() {
			files = append(files, strings.TrimPrefix(path, root))
		}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

// A message is where the next login, waiting logins and open shells find it, for
// everybody to read and without anything that does more than show itself; all of
// it is gone when it is over.
func TestPlacesShowAMessageAndForgetIt(t *testing.T) {
	p := places(t)
	if err := p.Show("impaired \x1b[2J"); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/run/motd.d/00-auditbridge", "/run/auditbridge/banner", "/run/auditbridge/issue", "/etc/issue.d/00-auditbridge.issue"} {
		if got := strings.ReplaceAll(text(t, p.Root+at), `\\`, `\`); got != "impaired \\x1B[2J\n" {
			t.Errorf("%s: %q", at, got)
		}
		if info, err := os.Stat(p.Root + at); err != nil || info.Mode().Perm() != 0o644 {
			t.Errorf("%s: %v, %v", at, info.Mode(), err)
		}
	}
	if got := text(t, p.RunDir+"/issue"); got != "impaired \\\\x1B[2J\n" {
		t.Errorf("agetty would take an escape of its own from %q", got)
	}
	if err := p.Show("still"); err != nil || text(t, p.Root+"/run/motd.d/00-auditbridge") != "still\n" {
		t.Errorf("shown anew: %v", err)
	}
	if err := p.Clear(); err != nil {
		t.Fatal(err)
	}
	if left := everything(t, p.Root); len(left) != 0 {
		t.Errorf("left behind: %v", left)
	}
	if err := p.Clear(); err != nil {
		t.Errorf("cleared twice: %v", err)
	}
}

// Who stands in for the watch leaves what he has to say only where there is nothing,
// and takes away only that.
func TestWhoStandsInOverwritesNothing(t *testing.T) {
	p := places(t)
	if err := p.Leave("the watch is gone\x1b"); err != nil {
		t.Fatal(err)
	}
	for _, at := range []string{"/run/motd.d/00-auditbridge", strings.TrimPrefix(p.RunDir, p.Root) + "/banner"} {
		if got := text(t, p.Root+at); got != "the watch is gone\\x1B\n" {
			t.Errorf("%s: %q", at, got)
		}
	}
	if err := p.Retract("the watch is gone\x1b"); err != nil || len(everything(t, p.Root)) != 0 {
		t.Errorf("%v, left behind: %v", err, everything(t, p.Root))
	}
	if err := p.Show("impaired"); err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(p.Leave("the watch is gone"), p.Retract("the watch is gone")); err != nil || text(t, p.Root+"/run/motd.d/00-auditbridge") != "impaired\n" {
		t.Errorf("%v, and the watch's own message is %q", err, text(t, p.Root+"/run/motd.d/00-auditbridge"))
	}
	if err := p.Clear(); err != nil {
		t.Fatal(err)
	}
	if err := p.Retract("the watch is gone"); err != nil {
		t.Errorf("the watch has taken it away, and then: %v", err)
	}
}

// sshd's file is the site's own text, byte for byte, with the message behind it
// while there is one.
func TestTheSitesOwnTextStands(t *testing.T) {
	p := places(t)
	const own = "You are accessing a U.S. Government (USG) Information System\n\x1b[1mbold\x1b[0m\n"
	p.SSHD, p.SSHDText = true, "/etc/issue.net"
	if err := os.MkdirAll(p.Root+"/etc", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Root+"/etc/issue.net", []byte(own), 0o644); err != nil {
		t.Fatal(err)
	}
	for range 2 {
		if err := p.Show("impaired"); err != nil {
			t.Fatal(err)
		}
		if got := text(t, p.RunDir+"/issue.net"); got != own+"\nimpaired\n" {
			t.Errorf("while impaired: %q", got)
		}
		if err := p.Clear(); err != nil {
			t.Fatal(err)
		}
		if got := text(t, p.RunDir+"/issue.net"); got != own {
			t.Errorf("restored: %q", got)
		}
	}
	if err := os.Rename(p.Root+"/etc/issue.net", p.Root+"/issue.net"); err != nil {
		t.Fatal(err)
	}
	for _, row := range []struct {
		mode fs.FileMode // of the directory
		want string
	}{{0o755, own}, {0o777, ""}} { // where anybody may put a link, it may lead to what is nobody's business
		if err := errors.Join(os.Chmod(p.Root+"/etc", row.mode), relink(p.Root+"/etc/issue.net")); err != nil {
			t.Fatal(err)
		}
		if err := p.Clear(); (err == nil) != (row.want != "") || text(t, p.RunDir+"/issue.net") != row.want {
			t.Errorf("a link in a directory of mode %o: %v, %q", row.mode, err, text(t, p.RunDir+"/issue.net"))
		}
	}
	if err := errors.Join(os.Chmod(p.Root+"/etc", 0o755), os.Rename(p.Root+"/issue.net", p.Root+"/etc/issue.net")); err != nil {
		t.Fatal(err)
	}
	if err := p.Remove(); err != nil {
		t.Fatal(err)
	}
	if left := everything(t, p.Root); len(left) != 1 || left[0] != "/etc/issue.net" {
		t.Errorf("left behind: %v", left)
	}
}

// relink has a link where name was, to a file of that name one directory up.
func relink(name string) error {
	os.Remove(name)
	return os.Symlink("../"+filepath.Base(name), name)
}

// A place that cannot be written keeps no other from it.
func TestOnePlaceDoesNotHinderAnother(t *testing.T) {
	p := places(t)
	if err := os.MkdirAll(p.Root+"/run", 0o755); err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(p.Root+"/run/motd.d", nil, 0o644); err != nil {
		t.Fatal(err)
	}
	if err := p.Show("impaired"); err == nil || !strings.Contains(err.Error(), "motd.d") {
		t.Errorf("error: %v", err)
	}
	if text(t, p.RunDir+"/banner") == "" || text(t, p.Root+"/etc/issue.d/00-auditbridge.issue") == "" {
		t.Error("the other places do not have it")
	}
}
