package interpret

import (
	"bytes"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

// TestAusearch interprets records field by field, as `ausearch -i` does, and
// accounts for every difference with a row of testdata/differences.txt: records
// of all kinds, and each system call ausearch has a name for, its arguments
// going through many values.
func TestAusearch(t *testing.T) {
	version, _ := exec.Command("ausearch", "-v").Output()
	t.Logf("the differences are those of 3.0.9; this is %s", version)
	d := readDifferences(t, "here")
	files, err := filepath.Glob("testdata/*.log")
	if err != nil || len(files) == 0 {
		t.Fatalf("no records: %v", err)
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		d.compare(t, file, text)
	}
	for _, a := range []string{"x86_64", "i386", "aarch64", "arm", "ppc64le", "ppc", "s390x", "s390"} {
		d.compare(t, a, everyCall(a))
	}
	d.check(t, "here")
}

// everyCall has records of every system call of an architecture, and of some
// numbers that are none.
func everyCall(name string) []byte {
	i := slices.IndexFunc(arches, func(a arch) bool { return a.name == name })
	a := arches[i]
	var out bytes.Buffer
	for nr := range 600 {
		values := []uint64{0, 0x42, 1 << 31}
		if c := callOf(&a, nr); c != nil && len(c.args) > 0 && name == "x86_64" {
			values = []uint64{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 15, 16, 17, 24, 31, 38, 64, 0x100, 0x10d, 0x1ed, 0x941, 0x9ed, 0x1002, 0x22, 0x4206, 0x80000, 0x80042, 0x1200011, 0x81ed, 0x7fff0000, 1<<32 - 100, 1<<32 - 1, 1<<64 - 1}
		}
		for _, v := range values {
			fmt.Fprintf(&out, "type=SYSCALL msg=audit(1700000000.000:1): arch=%x syscall=%d success=yes exit=%d a0=%x a1=%x a2=%x a3=%x items=0 ppid=1 pid=2 auid=1 uid=2 gid=3 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=pts0 ses=1 comm=\"x\" exe=\"/x\" key=(null)\n", a.value, nr, -int64(v%140), v, v, v, v)
		}
	}
	return out.Bytes()
}

// ausearch interprets lines. Every line has an event of its own, so that its
// records come out in order and whole; ausearch leaves some out.
func ausearch(t *testing.T, lines [][]byte) map[uint32]string {
	t.Helper()
	file := filepath.Join(t.TempDir(), "audit.log")
	if err := os.WriteFile(file, append(bytes.Join(lines, []byte("\n")), '\n'), 0o600); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("ausearch", "-i", "-if", file)
	cmd.Env = append(os.Environ(), "TZ=UTC", "LC_ALL=C")
	var errors bytes.Buffer
	cmd.Stderr = &errors
	out, err := cmd.Output()
	if err != nil && !strings.Contains(errors.String(), "<no matches>") {
		t.Fatalf("ausearch %s: %v %s (make peers installs it)", file, err, &errors)
	}
	records := map[uint32]string{}
	head := regexp.MustCompile(`(?m)^(?:node=\S+ )?type=\S+ msg=audit\([^)]*:(\d+)\) : ?`)
	found := head.FindAllSubmatchIndex(out, -1)
	for i, m := range found {
		end := len(out)
		if i+1 < len(found) {
			end = found[i+1][0]
		}
		serial, _ := number(out[m[2]:m[3]], 10)
		text := string(out[m[1]:end])
		text, _, _ = strings.Cut(text, "\n----\n")
		records[uint32(serial)] = strings.TrimRight(text, "\n")
	}
	return records
}

var timeStamp = regexp.MustCompile(`msg=audit\([^)]*\)`)

// compare interprets the records in text in both ways.
func (d *differences) compare(t *testing.T, source string, text []byte) {
	t.Helper()
	var lines [][]byte
	for line := range bytes.Lines(text) {
		line = bytes.TrimRight(line, "\r\n")
		if h, ok := auditbridge.ParseHeader(line); ok && h.Type != 0 && !bytes.ContainsFunc(line, isControl) {
			id := fmt.Sprintf("msg=audit(%d.000:%d)", 1700000000+len(lines), 1+len(lines))
			if at := timeStamp.FindIndex(line); at != nil {
				line = slices.Concat(line[:at[0]], []byte(id), line[at[1]:])
			}
			lines = append(lines, line)
		}
	}
	if len(lines) == 0 {
		return
	}
	theirs := ausearch(t, lines)
	in := &Interpreter{Names: accounts(t)}
	compared := 0
	for i, line := range lines {
		text, ok := theirs[uint32(i+1)]
		if !ok {
			continue
		}
		each(t, []string{string(line)}, func(e *auditbridge.Event, r *auditbridge.Record) {
			for _, f := range pairs(in, e, r, text) {
				compared++
				if f.ours != f.theirs {
					d.account(t, source, line, f)
				}
			}
		})
	}
	t.Logf("%s: %d fields of %d records compared, of %d", source, compared, len(theirs), len(lines))
}

// isControl leaves out the separator of auditd's enriched format.
func isControl(r rune) bool { return r < ' ' && r != 0x1d || r == 0x7f }

// A pair is one field as it is interpreted here and by ausearch.
type pair struct {
	kind, key    string
	raw          string
	ours, theirs string
}

// pairs finds the fields of a record in what ausearch writes of it: each goes on
// to where the next one begins. When one is missing there, the record as a whole
// is the pair, with the key "-".
func pairs(in *Interpreter, e *auditbridge.Event, r *auditbridge.Record, text string) []pair {
	var found []pair
	var open *pair // the one whose end is not found yet
	from := 0      // where it begins
	for _, f := range []auditbridge.Fields{r.Stamped(), r.Claims()} {
		for f.Next() {
			mark := string(f.Key) + "="
			if len(f.Key) == 0 {
				mark = string(f.Value)
			}
			at := find(text[from:], mark)
			if at < 0 {
				return []pair{{kind: string(r.TypeName()), key: "-", ours: string(r.Line[r.Body:]), theirs: plain(text)}}
			}
			open.take(text[from : from+at])
			from += at + len(mark)
			found = append(found, interpreted(in, e, r, &f))
			open = &found[len(found)-1]
		}
	}
	open.take(text[from:])
	return slices.DeleteFunc(found, func(p pair) bool { return p.key == "" })
}

// take takes what ausearch says. It puts 0x in front of digits that it has
// nothing to say about.
func (p *pair) take(theirs string) {
	if p == nil {
		return
	}
	if p.theirs = plain(theirs); p.theirs == "0x"+p.raw {
		p.theirs = p.raw
	}
}

// find finds where a word of text begins with mark.
func find(text, mark string) int {
	for from := 0; ; from++ {
		at := strings.Index(text[from:], mark)
		if at < 0 {
			return -1
		}
		if from += at; from == 0 || strings.ContainsRune(" '\"(,\t", rune(text[from-1])) {
			return from
		}
	}
}

// interpreted is a field as it is interpreted here.
func interpreted(in *Interpreter, e *auditbridge.Event, r *auditbridge.Record, f *auditbridge.Fields) pair {
	p := pair{kind: string(r.TypeName()), key: string(f.Key), raw: string(f.Value)}
	v, ok := in.AppendValue(nil, e, r, f)
	if !ok {
		v = f.Value
	}
	p.ours = plain(string(v))
	if c, _ := recordCall(r); c != nil && len(f.Key) == 2 && f.Key[0] == 'a' {
		p.key = c.name + "." + p.key
	}
	return p
}

var escaped = regexp.MustCompile(`\\[0-7]{3}`)

// plain takes off what stands around a value, and what ausearch puts in place
// of bytes a terminal must not see.
func plain(v string) string {
	v = strings.TrimSuffix(strings.TrimRight(v, " \t"), " msg=")
	v = strings.TrimSuffix(v, " msg='")
	v = strings.Trim(v, " \t'\",")
	if strings.Count(v, "(") < strings.Count(v, ")") {
		v = strings.TrimRight(v, " )'\"")
	}
	v = strings.Trim(strings.TrimSuffix(strings.Trim(v, " \t\""), " ("), " \t\"")
	return escaped.ReplaceAllStringFunc(v, func(o string) string {
		n, _ := number([]byte("0"+o[1:]), 0)
		return string([]byte{byte(n)})
	})
}

// accounts are those of this machine, which ausearch asks.
func accounts(t *testing.T) Names {
	return files{read(t, "/etc/passwd"), read(t, "/etc/group")}
}

type files struct{ users, groups map[string]string }

func read(t *testing.T, file string) map[string]string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	names := map[string]string{}
	for line := range strings.Lines(string(text)) {
		if words := strings.Split(line, ":"); len(words) > 2 && names[words[2]] == "" {
			names[words[2]] = words[0]
		}
	}
	return names
}

func (f files) AppendUser(dst []byte, _ string, id uint32) ([]byte, bool) {
	name := f.users[fmt.Sprint(id)]
	return append(dst, name...), name != ""
}

func (f files) AppendGroup(dst []byte, _ string, id uint32) ([]byte, bool) {
	name := f.groups[fmt.Sprint(id)]
	return append(dst, name...), name != ""
}
