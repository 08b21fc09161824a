package accounts

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"auditbridge/auditbridge"

	"github.com/google/go-cmp/cmp"
)

func table(t *testing.T, text string) *Table {
	t.Helper()
	return readTable(t, passwd, text)
}

// fields are a note's own, as they stand in its line.
func fields(n *auditbridge.Note) string {
	line := string(auditbridge.AppendNote(nil, n, time.Unix(1, 0), auditbridge.FirstNoteSerial))
	_, rest, _ := strings.Cut(line, " op=")
	op, rest, _ := strings.Cut(rest, " ")
	_, rest, _ = strings.Cut(rest, " ses=4294967295 ")
	return op + " " + strings.TrimSuffix(rest, "\n")
}

func TestWhatIsPutOnRecord(t *testing.T) {
	before := "root:x:0:0:::\nalice:x:1000:1000:::\ncarol:x:1002:1002:::\n"
	for _, row := range []struct {
		name    string
		was, is string
		want    []string
	}{
		{"a table", "", before, []string{
			"accounts table=passwd machine=M n=3 sha256=e987ad36fa3cedf208066e7b3700f17d part=1 parts=1 names=0:root,1000:alice,1002:carol res=success"}},
		{"an empty one", "", "\n", []string{
			"accounts table=passwd machine=M n=0 sha256=e3b0c44298fc1c149afbf4c8996fb924 part=1 parts=1 res=success"}},
		{"lines that name nobody", "", "root:x:0:0\nbroken\n", []string{
			"accounts table=passwd machine=M n=1 sha256=224086efc2366528889b66e6fb447215 skipped=1 part=1 parts=1 names=0:root res=success"}},
		{"names that are more than a word", "", "DOMAIN\\domain users:x:1:1\nåse:x:2:2\na,b>c%:x:3:3\n\x1b[2J:x:4:4\n", []string{
			`accounts table=passwd machine=M n=4 sha256=7d8bb797886752be406de777281f5bf3 part=1 parts=1 names=1:DOMAIN\domain%20users,2:%C3%A5se,3:a%2Cb%3Ec%25,4:\x1B%5B2J res=success`}},
		{"a change", before, "root:x:0:0:::\nalicia:x:1000:1000:::\nbob:x:1001:1001:::\n", []string{
			"accounts-changed table=passwd machine=M n=3 sha256=c257720e358de151850e4c287f6b93dc part=1 parts=1 renamed=1000:alice>alicia added=1001:bob removed=1002:carol res=success"}},
		{"a change of what names nobody", before, "# hello\n" + before + "alice2:x:1000:1:::\n", nil},
	} {
		var notes []auditbridge.Note
		if row.was == "" {
			notes = tableNotes(passwd, "M", table(t, row.is))
		} else {
			notes = changeNotes(passwd, "M", table(t, row.was), table(t, row.is))
		}
		var got []string
		for i := range notes {
			got = append(got, fields(&notes[i]))
		}
		if diff := cmp.Diff(row.want, got); diff != "" {
			t.Errorf("%s: (-want +got)\n%s", row.name, diff)
		}
	}
}

// However many users a host has, and whatever becomes of them at once, the
// journal grows by little, in lines that everybody takes.
func TestABurstIsBounded(t *testing.T) {
	var many, others strings.Builder
	for i := range 100000 {
		fmt.Fprintf(&many, "user%d:x:%d:100\n", i, i)
		fmt.Fprintf(&others, "%s%d:x:%d:100\n", strings.Repeat("ÿ", 60), i, i)
	}
	a, b := table(t, many.String()), table(t, others.String())
	for name, notes := range map[string][]auditbridge.Note{
		"a table": tableNotes(passwd, "M", a), "long names": tableNotes(passwd, "M", b), "a change": changeNotes(passwd, "M", a, b),
	} {
		bytes, left := 0, ""
		for i := range notes {
			line := auditbridge.AppendNote(nil, &notes[i], time.Now(), 1<<32-1)
			if bytes += len(line); len(line) > 8<<10 || len(line) > auditbridge.MaxText {
				t.Errorf("%s: a line of %d bytes", name, len(line))
			}
			_, left, _ = strings.Cut(string(line), " left-out=")
			left, _, _ = strings.Cut(left, " ")
		}
		if len(notes) != maxParts || bytes > 72<<10 || left == "" {
			t.Errorf("%s: %d notes of %d bytes, left-out=%s", name, len(notes), bytes, left)
		}
		t.Logf("%s: %d notes, %d bytes, left-out=%s", name, len(notes), bytes, left)
	}
}

// logged are notes as a log has them, line by line.
func logged(node string, notes ...auditbridge.Note) (lines []string) {
	for i := range notes {
		line := auditbridge.AppendNote(nil, &notes[i], time.Unix(int64(i), 0), auditbridge.FirstNoteSerial+uint32(i))
		if node != "" {
			line = append([]byte("node="+node+" "), line...)
		}
		lines = append(lines, strings.TrimSuffix(string(line), "\n"))
	}
	return lines
}

// hear has a reader observe lines as `read` does.
func hear(r *Reader, lines ...string) *Reader {
	all := auditbridge.NewReassembler(auditbridge.Limits{})
	for i, line := range lines {
		all.Push(auditbridge.Sequence(i+1), []byte(line), r.Observe)
	}
	all.Flush(r.Observe)
	return r
}

// Any table, and any change of it, comes back from the lines as it was.
func FuzzRoundTrip(f *testing.F) {
	f.Add("root:x:0:0\nalice:x:1000:1000\n", "root:x:0:0\nbob:x:1001:1\n", uint64(0))
	f.Add("DOMAIN\\domain users:x:1:1\n\xff,>%:x:2:2\n", "?:x:3:3\n", uint64(3000))
	f.Fuzz(func(t *testing.T, before, after string, random uint64) {
		was, is := table(t, before), table(t, after)
		dice := rand.New(rand.NewPCG(random, 0))
		for range random % 4000 { // long enough for several parts
			id := dice.Uint32N(1 << 20)
			was.Names[id] = fmt.Sprint("u", dice.Uint32N(4))
			is.Names[id] = fmt.Sprint("u", dice.Uint32N(4))
		}
		r := hear(NewReader(nil), logged("n", tableNotes(passwd, "M", was)...)...)
		got := &r.nodes["n"].users
		if !maps.Equal(was.Names, got.names) || !got.whole {
			t.Fatalf("whole %v: (-table +read)\n%s", got.whole, cmp.Diff(was.Names, got.names))
		}
		hear(r, logged("n", changeNotes(passwd, "M", was, is)...)...)
		if !maps.Equal(is.Names, got.names) || !got.whole {
			t.Fatalf("whole %v: (-changed +read)\n%s", got.whole, cmp.Diff(is.Names, got.names))
		}
	})
}

// What a record says is foreign text: no name leaves the reader that is not one
// printable word, and no line makes it remember more than it may.
func FuzzObserve(f *testing.F) {
	f.Add("table=passwd n=1 part=1 parts=1 names=0:root,1:%1b[2J,x,:,4294967295:a,2:%,3:%4")
	f.Add("table=group part=2 parts=9 added=1:a removed=1:a,1:a renamed=1:a>b>c,2:>,3:a")
	f.Fuzz(func(t *testing.T, text string) {
		if strings.ContainsAny(text, "\n") {
			return
		}
		for _, op := range []string{"accounts", "accounts-changed"} {
			line := "type=DAEMON_CONFIG msg=audit(1.000:4278190080): op=" + op + " auid=4294967295 " + text + " res=success"
			r := NewReader(nil)
			r.room = 3
			hear(r, line, line)
			entries := 0
			for _, a := range r.nodes {
				for _, l := range []*learned{&a.users, &a.groups} {
					entries += len(l.names)
					for id, name := range l.names {
						if id == unset || !printable(name) {
							t.Fatalf("%d is %q", id, name)
						}
					}
				}
			}
			if entries > 3 || entries+r.room != 3 {
				t.Fatalf("%d entries, room for %d more", entries, r.room)
			}
		}
	})
}

func TestReadNameIsTheInverse(t *testing.T) {
	for _, name := range []string{"a", `a\b`, "a b", "å,>%:=\"'", `\x1B`, strings.Repeat("å", maxName/2)} {
		if got, ok := readName(appendName(nil, name)); got != name || !ok {
			t.Errorf("%q comes back as %q, %v", name, got, ok)
		}
	}
	for _, word := range []string{"", "%", "%4", "%zz", "a%", strings.Repeat("a", maxName+1)} {
		if got, ok := readName([]byte(word)); ok {
			t.Errorf("%q is read as %q", word, got)
		}
	}
}

// docs/format/accounts.md is true: its records read as it says.
func TestTheDocumentIsTrue(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/accounts.md")
	if err != nil {
		t.Fatal(err)
	}
	_, log, _ := strings.Cut(string(page), "```log\n")
	log, _, _ = strings.Cut(log, "\n```")
	lines := strings.Split(log, "\n")
	if len(lines) != 2 {
		t.Fatalf("%d records", len(lines))
	}
	was, is := table(t, "root:x:0:0\nnobody:x:65534:1\nalice:x:1000:1\ncarol:x:1002:1\n"), table(t, "root:x:0:0\nnobody:x:65534:1\nbob:x:1001:1\nalicia:x:1000:1\n")
	r := NewReader(nil)
	for i, want := range []*Table{was, is} {
		hear(r, lines[i])
		if got := r.nodes[""].users; !got.whole || !maps.Equal(got.names, want.Names) {
			t.Errorf("record %d tells %v, whole %v", i, got.names, got.whole)
		}
	}
	const machine = "6dbb4a3fb0d4ec9d0d64c2b0d4c4a6f1"
	for i, n := range append(tableNotes(passwd, machine, was), changeNotes(passwd, machine, was, is)...) {
		if _, own, _ := strings.Cut(lines[i], " ses=4294967295 "); !strings.HasSuffix(fields(&n), " "+own) {
			t.Errorf("we write   %s\nthe page has %s", fields(&n), own)
		}
	}
}

func TestDigestIsOfTheTable(t *testing.T) {
	a := map[uint32]string{0: "root", 10: "a", 9: "b"}
	if digest(a) != digest(maps.Clone(a)) || digest(a) == digest(map[uint32]string{0: "root", 10: "b", 9: "a"}) {
		t.Error("equal tables have equal digests, others not")
	}
}
