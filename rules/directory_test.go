package rules

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/sys/unix"
)

// TestFilesAreInTheOrderOfAugenrules: as `ls -v` sorts them, which is asked.
func TestFilesAreInTheOrderOfAugenrules(t *testing.T) {
	dir := t.TempDir()
	for _, name := range []string{
		"10-base.rules", "9-first.rules", "100-last.rules", "30-a.rules", "30-B.rules", "30-a.b.rules", "30-a1.rules", "30-a01.rules", "30-a10.rules",
		"a.rules", "A.rules", "30_a.rules", "30-a~.rules", ".hidden.rules", "off.rules.bak", "x.rule", "1.rules", "01.rules", "30.rules", "30-a-.rules",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), nil, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	out, err := exec.Command("sh", "-c", `ls -1v "$0" | grep '\.rules$'`, dir).Output()
	if err != nil {
		t.Fatal(err)
	}
	files, err := filesAt(dir)
	if err != nil {
		t.Fatal(err)
	}
	for i := range files {
		files[i] = filepath.Base(files[i])
	}
	if diff := cmp.Diff(strings.Fields(string(out)), files); diff != "" {
		t.Errorf("-ls -v +we: %s", diff)
	}
}

// TestOfADirectoryTheLastSettingsCount, and -D comes first and -e last, whichever
// file has them.
func TestOfADirectoryTheLastSettingsCount(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{
		"10-first.rules": "-e 2\n-b 100\n-w /etc/passwd\n-D\n",
		"20-then.rules":  "-f 0\n-D -k x\n-b 200\n-w /etc/group\n",
		"30-last.rules":  "-e 1\n-f 1\n-r 5\n",
	} {
		if err := os.WriteFile(filepath.Join(dir, name), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	f, err := Read(testHost(), dir)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, s := range f.Statements {
		got = append(got, s.Text)
	}
	if diff := cmp.Diff([]string{"-D", "-b 200", "-f 1", "-w /etc/passwd", "-D -k x", "-w /etc/group", "-r 5", "-e 1"}, got); diff != "" {
		t.Error(diff)
	}
	if d := f.Desire(); len(d.Rules) != 2 || *d.Settings[BacklogLimit] != 200 || *d.Settings[Enabled] != 1 {
		t.Errorf("%+v", d)
	}
}

// TestOnlyTheAdministratorsFilesAreRead: whatever else lies among rule files is
// named, and neither waited for nor read without end.
func TestOnlyTheAdministratorsFilesAreRead(t *testing.T) {
	fifo := func(path string) error { return unix.Mkfifo(path, 0o600) }
	endless := func(path string) error { return os.Symlink("/dev/zero", path) }
	file := func(then func(path string) error) func(path string) error {
		return func(path string) error { return errors.Join(os.WriteFile(path, nil, 0o600), then(path)) }
	}
	for _, odd := range []struct {
		make func(path string) error
		what string
	}{
		{fifo, "it is no regular file"},
		{endless, "it is no regular file"},
		{file(func(path string) error { return os.Chmod(path, 0o602) }), "everybody may write it"},
		{file(func(path string) error { return os.Chown(path, 40000, -1) }), "it belongs to user 40000, who could change the rules"},
		{file(func(path string) error { return os.Truncate(path, mostText+1) }), "16777217 bytes are no rule file: 16777216 are the most"},
	} {
		dir := t.TempDir()
		path := filepath.Join(dir, "10-odd.rules")
		if err := odd.make(path); err != nil {
			t.Fatal(err)
		}
		if err := os.WriteFile(filepath.Join(dir, "20-fine.rules"), []byte("-b 8192\n"), 0o600); err != nil {
			t.Fatal(err)
		}
		f, err := Read(testHost(), dir)
		if err == nil || err.Error() != path+": "+odd.what {
			t.Errorf("%v, want %s", err, odd.what)
		}
		if f == nil || len(f.Statements) != 1 {
			t.Errorf("%s: what else there is was not read", odd.what)
		}
	}
}
