//go:build corpora

package rules

import (
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/google/go-cmp/cmp/cmpopts"
)

// TestEveryRuleFileOfTheCorporaIsRead: every line of them is understood, and
// what is shown of each rule is read as the same rule again. It is compiled with
// -tags corpora; `make corpora` runs it.
func TestEveryRuleFileOfTheCorporaIsRead(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	if root == "" {
		t.Fatal("AUDITBRIDGE_CORPORA does not name the collection")
	}
	host, files, read := testHost(), 0, 0
	err := eachRuleFile(root, func(path, text string) {
		files++
		f, err := Parse(path, text, host)
		if err != nil {
			t.Errorf("%v", err)
		}
		for _, s := range f.Statements {
			if s.Verb == Add {
				read++
				showsAndReadsBack(t, host, s.Rule)
			}
		}
	})
	if err != nil || files == 0 || read < 600 {
		t.Errorf("%d files with %d rules: %v", files, read, err)
	}
}

func eachRuleFile(root string, do func(path, text string)) error {
	return filepath.WalkDir(filepath.Join(root, "rules"), func(path string, entry fs.DirEntry, err error) error {
		if err != nil || !strings.HasSuffix(path, ".rules") && filepath.Base(path) != "auditctl" {
			return err
		}
		text, err := os.ReadFile(path)
		if err == nil {
			do(path, string(text))
		}
		return err
	})
}

// TestEveryRuleFileOfTheCorporaLoadsAsWithAuditctl: the kernel then lists the same
// rules, byte for byte; and what is shown of each loads as the same again. Only
// lines with rules are loaded: some files would lock what cannot be unlocked.
func TestEveryRuleFileOfTheCorporaLoadsAsWithAuditctl(t *testing.T) {
	_, k, host := thisKernel(t)
	root, file, loaded := os.Getenv("AUDITBRIDGE_CORPORA"), filepath.Join(t.TempDir(), "one.rules"), 0
	err := eachRuleFile(root, func(path, text string) {
		only := "-i\n"
		for line := range strings.Lines(text) {
			// Quotes, and fields that have no name, are beyond auditctl.
			if (strings.HasPrefix(line, "-a ") || strings.HasPrefix(line, "-w ") || strings.HasPrefix(line, "-A ")) && !strings.ContainsAny(line, "\"'") && !strings.Contains(line, " f24") {
				only += strings.TrimRight(line, "\n") + "\n"
			}
		}
		if err := os.WriteFile(file, []byte(only), 0o600); err != nil {
			t.Fatal(err)
		}
		auditctl := func(args ...string) {
			t.Helper()
			if out, err := exec.Command("auditctl", args...).CombinedOutput(); err != nil && args[0] != "-R" {
				t.Fatalf("auditctl %s: %v: %s", args, err, out)
			}
		}
		auditctl("-D")
		auditctl("-R", file)
		theirs := list(t, k)
		auditctl("-D")
		f, _ := Parse(file, only, host) // a user that is not here
		if _, err := Load(k, f.Desire(), false); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		ours := list(t, k)
		// An older auditctl does not know every call, and passes over the line.
		known := map[identity]bool{}
		for _, id := range identities(asLines(theirs)) {
			known[id] = true
		}
		both := slices.DeleteFunc(slices.Clone(ours), func(r Rule) bool { return !known[r.identity()] })
		if diff := cmp.Diff(theirs, both, sameCalls, cmpopts.EquateEmpty()); diff != "" {
			t.Errorf("%s: -auditctl +we: %s", path, diff)
		}
		if n := len(ours) - len(theirs); n > 0 {
			t.Logf("%s: %d rules that this auditctl does not load", filepath.Base(path), n)
		}
		loaded += len(ours)
		again := ""
		for _, r := range ours {
			again += host.Show(r) + "\n"
		}
		auditctl("-D")
		back, err := Parse(file, again, host)
		if err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if _, err := Load(k, back.Desire(), false); err != nil {
			t.Errorf("%s: %v", path, err)
		}
		if diff := cmp.Diff(ours, list(t, k), sameCalls); diff != "" {
			t.Errorf("%s: shown and loaded: %s", path, diff)
		}
	})
	if err != nil || loaded < 300 {
		t.Errorf("%d rules: %v", loaded, err)
	}
}
