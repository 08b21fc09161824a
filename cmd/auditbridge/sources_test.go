package main

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"syscall"
	"testing"
)

// TestSourcesDocument: every configuration in docs/sources.md is accepted by check,
// and there is one for each source.
func TestSourcesDocument(t *testing.T) {
	beside(t)
	blocks := regexp.MustCompile("(?s)```toml\n(.*?)```").FindAllStringSubmatch(read(t, "../../docs/sources.md"), -1)
	named := ""
	for _, block := range blocks {
		d := newDaemon(t, block[1])
		out, errs, code := auditbridgeCommand(t, "check", "-v", "--config", d.config)
		if code != 0 {
			t.Errorf("check exits %d:\n%s%s\n%s", code, out, errs, block[1])
		}
		named += regexp.MustCompile(`(?m)^source +=.*`).FindString(block[1]) + "\n"
	}
	for _, source := range []string{"kernel", "multicast", "plugin", "unix:", "file:"} {
		if !strings.Contains(named, `"`+source) {
			t.Errorf("docs/sources.md does not configure %s", source)
		}
	}
}

// TestAJournalOfAnotherHost: whoever may read the files of a journal can verify, dump
// and read it: mounted read-only, without the mark, links and state, another's files,
// and as a user without any privilege.
func TestAJournalOfAnotherHost(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.record(numbered(1, 100))
	exe := executable(t, d)
	for _, row := range []struct {
		name  string
		strip bool
		uid   uint32
	}{
		{"as it was", false, 0},
		{"its segments alone", true, 0},
		{"to a stranger, as it was", false, 4711},
		{"to a stranger, its segments alone", true, 4711},
	} {
		t.Run(row.name, func(t *testing.T) {
			copied := filepath.Join(d.dir, "copied")
			must(t, os.RemoveAll(copied))
			must(t, os.CopyFS(copied, os.DirFS(d.journal)))
			for _, file := range glob(t, copied+"/*") {
				if row.strip && !strings.HasPrefix(filepath.Base(file), "0000") {
					must(t, os.Remove(file))
				}
			}
			must(t, filepath.Walk(copied, func(path string, _ os.FileInfo, _ error) error { return os.Lchown(path, 4711, 4711) }))
			before := listing(t, copied)
			for _, command := range []struct{ words, says string }{
				{"verify", "OK "},
				{"dump", ".log: "},
				{"read -o json", `"serial":100,`},
				{"read -o text", "2024-03-06 "},
				{"read -o audit", "msg=audit(1709742929.678:100): "},
			} {
				cmd := exec.Command("unshare", "--mount", "--propagation", "private", "bash", "-c",
					`mount --bind "$1" "$1" && mount -o remount,bind,ro "$1" && exec setpriv --reuid "$2" --regid "$2" --clear-groups bash -c 'exec -a auditbridge "$@"' - "$0" `+command.words+` "$1"`,
					exe, copied, fmt.Sprint(row.uid))
				out, err := cmd.CombinedOutput()
				if err != nil || !strings.Contains(string(out), command.says) {
					t.Errorf("%s: %v:\n%.2000s", command.words, err, out)
				}
			}
			if after := listing(t, copied); after != before {
				t.Errorf("there is now\n%s\nwas\n%s", after, before)
			}
		})
	}
}

// listing is what is in a directory, with when it was last written to.
func listing(t *testing.T, dir string) string {
	t.Helper()
	var b strings.Builder
	for _, file := range append(glob(t, dir+"/*"), dir) {
		info, err := os.Lstat(file)
		must(t, err)
		fmt.Fprintln(&b, info.Name(), info.Mode(), info.Size(), info.ModTime(), info.Sys().(*syscall.Stat_t).Ino)
	}
	return b.String()
}
