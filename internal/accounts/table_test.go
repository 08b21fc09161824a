package accounts

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"unicode"

	"github.com/google/go-cmp/cmp"
)

func readTable(t *testing.T, d database, text string) *Table {
	t.Helper()
	got, err := d.read(strings.NewReader(text))
	if err != nil {
		t.Fatal(err)
	}
	return got
}

func TestReadsAccountFiles(t *testing.T) {
	long := strings.Repeat("m", 200<<10)
	for _, row := range []struct {
		name string
		of   database
		text string
		want Table
	}{
		{"ordinary", passwd, "root:x:0:0:root:/root:/bin/bash\nalice:x:1000:1000::/home/alice:/bin/sh\n", Table{Names: map[uint32]string{0: "root", 1000: "alice"}}},
		{"no LF at the end", passwd, "alice:x:1000:1000", Table{Names: map[uint32]string{1000: "alice"}}},
		{"the first of an id counts", passwd, "root:x:0:0:::\ntoor:x:0:0:::\n", Table{Names: map[uint32]string{0: "root"}}},
		{"one name, two ids", passwd, "a:x:1:1:::\na:x:2:2:::\n", Table{Names: map[uint32]string{1: "a", 2: "a"}}},
		{"blank lines and comments", passwd, "\n   \n# note:x:1:1\n  a:x:2:2:::\n", Table{Names: map[uint32]string{2: "a"}}},
		{"entries of NIS", passwd, "+:x:1:1:::\n+a:x:2:2:::\n-b:x:3:3:::\n", Table{Names: map[uint32]string{}, Skipped: 3}},
		{"too few columns", passwd, "a\na:x\na:x:1\na:x:1:\nb:x:2:2\n", Table{Names: map[uint32]string{2: "b"}, Skipped: 4}},
		{"no number", passwd, "a:x:one:1\nb:x:-1:1\nc:x:0x10:1\nd:x:4294967296:1\ne:x::1\nf:x:1 :1\n", Table{Names: map[uint32]string{}, Skipped: 6}},
		{"no name", passwd, ":x:1:1:::\n", Table{Names: map[uint32]string{}, Skipped: 1}},
		{"the id that was never set", passwd, "a:x:4294967295:1\nb:x:4294967294:1\n", Table{Names: map[uint32]string{4294967294: "b"}, Skipped: 1}},
		{"a name longer than any", passwd, long[:maxName+1] + ":x:1:1\n" + long[:maxName] + ":x:2:2\n", Table{Names: map[uint32]string{2: long[:maxName]}, Skipped: 1}},
		{"control bytes", passwd, "\x1b[2Ja\rb\x7f:x:1:1:::\n", Table{Names: map[uint32]string{1: `\x1B[2Ja\x0Db\x7F`}}},
		{"no UTF-8", passwd, "\xff\xfe:x:1:1\nåse:x:2:2\n\u202eevil:x:3:3\n", Table{Names: map[uint32]string{1: `\xFF\xFE`, 2: "åse", 3: `\u{202E}evil`}}},
		{"a directory's names", group, `DOMAIN\domain users:x:10513:` + "\n", Table{Names: map[uint32]string{10513: `DOMAIN\domain users`}}},
		{"groups", group, "root:x:0:\nwheel:x:10:a,b,c\nbare:x:11\n", Table{Names: map[uint32]string{0: "root", 10: "wheel", 11: "bare"}}},
		{"a line longer than any buffer", group, "big:x:1:" + long + ":x:7:\nnext:x:2:\n", Table{Names: map[uint32]string{1: "big", 2: "next"}}},
		{"empty", group, "", Table{Names: map[uint32]string{}}},
	} {
		if diff := cmp.Diff(&row.want, readTable(t, row.of, row.text)); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", row.name, diff)
		}
	}
}

func TestATableIsBounded(t *testing.T) {
	var b strings.Builder
	for i := range maxEntries + 10 {
		fmt.Fprintf(&b, "u%d:x:%d:0\n", i, i)
	}
	got := readTable(t, passwd, b.String())
	if len(got.Names) != maxEntries || got.Left != 10 || got.Skipped != 0 {
		t.Errorf("%d entries, %d left, %d skipped", len(got.Names), got.Left, got.Skipped)
	}
}

// TestReadsAsLibcDoes asks libc itself, in a mount namespace in which the odd
// files of this test are the host's.
func TestReadsAsLibcDoes(t *testing.T) {
	odd := map[string]string{
		"passwd": "  lead:x:1:1:::\nfirst:x:2:2:::\nsecond:x:2:2:::\n#c:x:3:3:::\n+nis:x:4:4:::\n-nis:x:5:5:::\nshort:x:7\nnogid:x:8:\n" +
			"nogecos:x:9:9\nhex:x:0x0A:1:::\nspace name:x:11:11:::\ntail:x:12 :12:::\nbad:x:13:y:::\n\ttab:x:14:14:::\nlast:x:15:15",
		"group": "g:x:1:\nbare:x:2\nshort:x\nfirst:x:4:\nsecond:x:4:a,b\n+n:x:5:\nmembers:x:6:" + strings.Repeat("somebody,", 2000) + "\nlast:x:7:",
	}
	dir := t.TempDir()
	write(t, filepath.Join(dir, "nsswitch.conf"), "passwd: files\ngroup: files\n")
	script := "mount --make-rprivate / && mount --bind $0/nsswitch.conf /etc/nsswitch.conf"
	ids := ""
	for id := 1; id <= 16; id++ {
		ids += fmt.Sprint(" ", id)
	}
	for name, text := range odd {
		write(t, filepath.Join(dir, name), text)
		script += fmt.Sprintf(" && mount --bind $0/%s /etc/%s", name, name)
	}
	for _, d := range []database{passwd, group} {
		out, err := exec.Command("unshare", "--mount", "sh", "-c", script+"; getent "+d.name+ids+"; test $? = 2", dir).Output()
		if err != nil {
			t.Fatalf("ask libc for %s (as root): %v", d.name, err)
		}
		libc := map[uint32]string{}
		for line := range strings.Lines(string(out)) {
			columns := strings.Split(line, ":")
			id, ok := number([]byte(strings.TrimSpace(columns[2])))
			if !ok {
				t.Fatalf("libc says %q", line)
			}
			libc[id] = columns[0]
		}
		if diff := cmp.Diff(libc, readTable(t, d, odd[d.name]).Names); diff != "" {
			t.Errorf("%s: (-libc +ours)\n%s", d.name, diff)
		}
	}
}

func write(t *testing.T, path, text string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(text), 0o644); err != nil {
		t.Fatal(err)
	}
}

// printable holds a name to what the package promises of all of them.
func printable(name string) bool {
	return name != "" && len(name) <= maxName && !strings.ContainsFunc(name, func(r rune) bool { return !unicode.IsPrint(r) })
}

func FuzzRead(f *testing.F) {
	f.Add("root:x:0:0:root:/root:/bin/bash\n# c\n+::::\nbad\n")
	f.Add("\x1b]0;x\x07:x:1:1\nåse:x:2:2\n\xff:x:3:3:\n")
	f.Add("g:x:4294967295:\ng:x:4294967294:a,b\r\n")
	f.Fuzz(func(t *testing.T, text string) {
		for _, d := range []database{passwd, group} {
			got := readTable(t, d, text)
			again := ""
			for _, id := range slices.Sorted(maps.Keys(got.Names)) {
				name := got.Names[id]
				if !printable(name) {
					t.Errorf("%s names %d %q", d.name, id, name)
				}
				again += fmt.Sprintf("%s:x:%d:0\n", name, id)
			}
			if diff := cmp.Diff(got.Names, readTable(t, d, again).Names); diff != "" {
				t.Errorf("written and read again: (-first +again)\n%s", diff)
			}
		}
	})
}
