package accounts

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

// A log names its own people, each as of the place it has come to.
func TestALogNamesItsOwn(t *testing.T) {
	h := newHost(t, "")
	r := NewReader(nil)
	first := table(t, "root:x:0:0\nalice:x:1000:1\ncarol:x:1002:1\n")
	then := table(t, "root:x:0:0\nalicia:x:1000:1\nbob:x:1001:1\n")
	h.want(h.named(r.AppendUser, "", 1000), "")
	hear(r, logged("", tableNotes(passwd, "M", first)...)...)
	h.want(h.named(r.AppendUser, "", 1000), "alice")
	h.want(h.named(r.AppendUser, "", 1002), "carol")
	h.want(h.named(r.AppendGroup, "", 1000), "")
	hear(r, logged("", changeNotes(passwd, "M", first, then)...)...)
	h.want(h.named(r.AppendUser, "", 1000), "alicia")
	h.want(h.named(r.AppendUser, "", 1001), "bob")
	h.want(h.named(r.AppendUser, "", 1002), "")
	hear(r, logged("", tableNotes(group, "M", first)...)...)
	h.want(h.named(r.AppendGroup, "", 1000), "alice")
	hear(r, logged("", tableNotes(passwd, "M", first)...)...)
	h.want(h.named(r.AppendUser, "", 1001), "")
	h.want(h.named(r.AppendUser, "", 1000), "alice")
}

// Two hosts in one log do not share their people.
func TestNodesAreApart(t *testing.T) {
	h := newHost(t, "")
	r := NewReader(nil)
	for _, node := range []string{"a", "b"} {
		hear(r, logged(node, tableNotes(passwd, "M"+node, table(t, "on-"+node+":x:1000:1\n"))...)...)
	}
	h.want(h.named(r.AppendUser, "a", 1000), "on-a")
	h.want(h.named(r.AppendUser, "b", 1000), "on-b")
	h.want(h.named(r.AppendUser, "", 1000), "")
	h.want(h.named(r.AppendUser, "c", 1000), "")
}

// What a log does not name, this host's accounts may, where they speak for the
// node; never one of the host's files for an id that the log's table says was
// nobody's.
func TestBesideTheLog(t *testing.T) {
	h := newHost(t, directory)
	h.cfg.Machine = filepath.Join(h.dir, "machine-id")
	write(t, h.cfg.Machine, "3d1219c7c4c5404aaa1f6d2a48adfda4\n")
	mine := machine(h.cfg.Machine)
	whole := func(machine string) []string {
		return logged("", tableNotes(passwd, machine, table(t, "dave:x:500:1\n"))...)
	}
	for _, row := range []struct {
		name              string
		whose             Whose
		log               []string
		dave, alice, bob  string
		node              string
		onlyIfNothingElse bool
	}{
		{name: "no table", whose: ThisHost, alice: "alice", bob: "bob"},
		{name: "no table, another node", whose: ThisHost, node: "there"},
		{name: "no table, another node, any", whose: AnyHost, node: "there", alice: "alice", bob: "bob"},
		{name: "no table, recorded only", whose: NoHost},
		{name: "this machine's", whose: ThisHost, log: whole(mine), dave: "dave", bob: "bob"},
		{name: "another machine's", whose: ThisHost, log: whole("M"), dave: "dave"},
		{name: "another machine's, any", whose: AnyHost, log: whole("M"), dave: "dave", bob: "bob"},
		{name: "recorded only", whose: NoHost, log: whole(mine), dave: "dave"},
		{name: "machines without an id", whose: ThisHost, log: whole(""), dave: "dave", bob: "bob"},
		{name: "a table that is not whole", whose: ThisHost, dave: "dave", alice: "alice", bob: "bob",
			log: []string{strings.Replace(whole(mine)[0], " n=1 ", " n=2 left-out=1 ", 1)}},
	} {
		t.Run(row.name, func(t *testing.T) {
			h.cfg.Whose = row.whose
			h.open()
			r := hear(NewReader(h.Resolver), row.log...)
			h.t = t
			h.want(h.named(r.AppendUser, row.node, 500), row.dave)
			h.want(h.named(r.AppendUser, row.node, 1000), row.alice)
			h.want(h.named(r.AppendUser, row.node, 2000), row.bob)
			h.want(h.named(r.AppendUser, row.node, 77), "")
		})
	}
}

// A copy may lack anything. Names are taken from what is there, and the table
// counts as whole only when it is.
func TestACopyWithHoles(t *testing.T) {
	var text strings.Builder
	for i := range 2000 {
		fmt.Fprintf(&text, "user%d:x:%d:1\n", i, i)
	}
	is := table(t, text.String())
	was := table(t, strings.ReplaceAll(text.String(), "user1", "old1"))
	all := logged("", tableNotes(passwd, "M", is)...)
	change := logged("", changeNotes(passwd, "M", was, is)...)
	if len(all) < 3 || len(change) < 2 {
		t.Fatal("too small for a test of parts")
	}
	for _, row := range []struct {
		name        string
		log         []string
		whole       bool
		first, last string // names of 0 and 1999
	}{
		{"all", all, true, "user0", "user1999"},
		{"without the first part", all[1:], false, "", "user1999"},
		{"without the second", append(all[:1:1], all[2:]...), false, "user0", "user1999"},
		{"without the last", all[:len(all)-1], false, "user0", ""},
		{"twice", append(all[:len(all):len(all)], all...), true, "user0", "user1999"},
		{"broken off, then all", append(all[:2:2], all...), true, "user0", "user1999"},
		{"a change of what is not known", change, false, "", "user1999"},
		{"half a change", append(logged("", tableNotes(passwd, "M", was)...), change[1:]...), false, "user0", "user1999"},
		{"a change", append(logged("", tableNotes(passwd, "M", was)...), change...), true, "user0", "user1999"},
	} {
		r := hear(NewReader(nil), row.log...)
		l := &r.nodes[""].users
		if l.whole != row.whole || l.names[0] != row.first || l.names[1999] != row.last {
			t.Errorf("%s: whole %v, %q … %q", row.name, l.whole, l.names[0], l.names[1999])
		}
		if r.room+len(l.names) != maxLearned {
			t.Errorf("%s: %d entries, room for %d", row.name, len(l.names), r.room)
		}
	}
}

// Only our own records are heard.
func TestOthersTellNothing(t *testing.T) {
	own := logged("", tableNotes(passwd, "M", table(t, "mallory:x:0:0\n"))...)[0]
	foreign := auditbridge.AppendForeign(nil, []byte(own))
	for name, line := range map[string]string{
		"a kernel's serial":  strings.Replace(own, fmt.Sprint(auditbridge.FirstNoteSerial), "77", 1),
		"a user's message":   strings.Replace(own, "DAEMON_CONFIG", "USER", 1),
		"another note":       strings.Replace(own, "op=accounts", "op=config", 1),
		"not the first op":   strings.Replace(own, "op=accounts", "op=config op=accounts", 1),
		"from another's log": strings.TrimSpace(string(foreign)),
		"another table":      strings.Replace(own, "table=passwd", "table=shadow", 1),
		"another type":       strings.Replace(own, "DAEMON_CONFIG", "DAEMON_ERR", 1),
		"no record":          "mallory",
	} {
		r := hear(NewReader(nil), line)
		if got, ok := r.AppendUser(nil, "", 0); ok {
			t.Errorf("%s: 0 is %q", name, got)
		}
	}
}

func TestAReaderIsBounded(t *testing.T) {
	r := NewReader(nil)
	for i := range 2 * maxNodes {
		hear(r, logged(fmt.Sprint("n", i), tableNotes(passwd, "M", table(t, "a:x:1:1\n"))...)...)
	}
	if len(r.nodes) != maxNodes {
		t.Errorf("%d nodes are kept", len(r.nodes))
	}
}

func TestReadingNamesAllocatesNothing(t *testing.T) {
	r := hear(NewReader(nil), logged("n", tableNotes(passwd, "M", table(t, "alice:x:1000:1\n"))...)...)
	dst := make([]byte, 0, 64)
	e := &auditbridge.Event{Records: []auditbridge.Record{{Type: 1300}}}
	if n := testing.AllocsPerRun(100, func() { r.Observe(e); r.AppendUser(dst, "n", 1000); r.AppendUser(dst, "n", 1) }); n != 0 {
		t.Errorf("%v allocations", n)
	}
}

func TestAMachinesID(t *testing.T) {
	dir := t.TempDir()
	id := func(text string) string {
		path := filepath.Join(dir, "machine-id")
		if err := os.WriteFile(path, []byte(text), 0o444); err != nil {
			t.Fatal(err)
		}
		defer os.Remove(path)
		return machine(path)
	}
	a, b := id("3d1219c7c4c5404aaa1f6d2a48adfda4\n"), id("3d1219c7c4c5404aaa1f6d2a48adfda5\n")
	if len(a) != 32 || a == b || strings.Contains("3d1219c7c4c5404aaa1f6d2a48adfda4", a) || a != id("3d1219c7c4c5404aaa1f6d2a48adfda4") {
		t.Errorf("%q, %q", a, b)
	}
	for _, none := range []string{id(""), id("uninitialized\n"), machine(filepath.Join(dir, "missing"))} {
		if none != "" {
			t.Errorf("a machine without an id has %q", none)
		}
	}
}

func BenchmarkReader(b *testing.B) {
	t := &Table{Names: map[uint32]string{}}
	for id := range uint32(1000) {
		t.Names[id] = "user"
	}
	r := hear(NewReader(nil), logged("", tableNotes(passwd, "M", t)...)...)
	dst := make([]byte, 0, 64)
	for b.Loop() {
		r.AppendUser(dst, "", 500)
	}
}
