package rules

import (
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
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
