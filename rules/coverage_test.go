package rules

import (
	"flag"
	"fmt"
	"os"
	"slices"
	"strings"
	"testing"
)

var document = flag.Bool("document", false, "write the table of what is audited into docs/rules.md")

// TestCoverageOfTheProfiles: each audits what it must; docs/rules.md has the
// table. cmd/auditbridge does all of it on a real kernel.
func TestCoverageOfTheProfiles(t *testing.T) {
	host := testHost()
	host.IsDir = func(path string) bool { return slices.Contains([]string{"/etc/audit", "/etc/pam.d", "/usr/bin"}, path) }
	events := RequiredEvents(host)
	cells := map[string][]Coverage{}
	for i := range Profiles() {
		p := &Profiles()[i]
		cells[p.Name] = withBase(t, host, p).Cover(events)
		for _, c := range cells[p.Name] {
			if slices.Contains(c.Event.Profiles, p.Name) && !c.Caught() {
				t.Errorf("%s does not audit %s, and must", p.Name, c.Event.What)
			}
		}
	}
	requireDocumented(t, coverageTable(events, cells))
}

// withBase is a profile as docs/rules.md tells to load it.
func withBase(t *testing.T, host *Host, p *Profile) *Desired {
	t.Helper()
	f, err := Parse(p.Name, p.For(host), host)
	if err != nil {
		t.Fatal(err)
	}
	if p.Name != "base" && p.Name != "quiet" {
		base, err := FindProfile("base")
		if err != nil {
			t.Fatal(err)
		}
		first, err := Parse("base", base.For(host), host)
		if err != nil {
			t.Fatal(err)
		}
		f.Statements = append(first.Statements, f.Statements...)
	}
	return f.Desire()
}

func coverageTable(events []RequiredEvent, cells map[string][]Coverage) string {
	var b strings.Builder
	order := []string{"base", "ospp", "stig", "pci", "quiet"}
	fmt.Fprintf(&b, "| what happens | class | %s |\n|---|---|%s\n", strings.Join(order, " | "), strings.Repeat("---|", len(order)))
	for i, e := range events {
		fmt.Fprintf(&b, "| %s | %s |", e.What, e.Class)
		for _, name := range order {
			cell := ""
			switch c := cells[name][i]; {
			case c.Alone:
				cell = e.Sample.Type.String()
			case c.Rule != nil:
				cell = "`" + strings.Join(c.Rule.Rule.Keys(), " ") + "`"
			}
			if cell != "" && !slices.Contains(e.Profiles, name) {
				cell = "(" + cell + ")"
			}
			fmt.Fprintf(&b, " %s |", cell)
		}
		b.WriteByte('\n')
	}
	return b.String()
}

func requireDocumented(t *testing.T, table string) {
	t.Helper()
	const page, begin, end = "../docs/rules.md", "-document -->\n", "<!-- end -->"
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, rest, _ := strings.Cut(string(text), begin)
	have, after, ok := strings.Cut(rest, end)
	switch {
	case !ok:
		t.Errorf("%s has no place for the table", page)
	case *document:
		if err := os.WriteFile(page, []byte(before+begin+table+end+after), 0o644); err != nil {
			t.Fatal(err)
		}
	case have != table:
		t.Errorf("%s has another table: go test ./rules -run Coverage -document", page)
	}
}

// TestARuleIsAskedAsTheKernelAsksIt: each comparison, both ways, and the first
// rule that matches decides.
func TestARuleIsAskedAsTheKernelAsksIt(t *testing.T) {
	s := Sample{Arch: 0xC000003E, Call: "openat", Exit: -13, Args: [4]uint32{0, 0, 0o101, 0}, AUID: 1000, UID: 1000, EUID: 0, Exe: "/bin/sh", Path: "/etc/shadow", Touched: 2}
	for _, test := range []struct {
		fields  string
		matches bool
	}{
		{"-F arch=b64 -S openat", true}, {"-F arch=b64 -S open", false}, {"-F arch=b32 -S openat", false}, {"-S all", true},
		{"-S openat -F exit=-EACCES", true}, {"-S openat -F exit=-EPERM", false}, {"-S openat -F exit<0", true}, {"-S openat -F exit>=0", false},
		{"-S openat -F success=0", true}, {"-S openat -F success=1", false},
		{"-S openat -F a2&0100", true}, {"-S openat -F a2&02", false}, {"-S openat -F a2&=0101", true}, {"-S openat -F a2&=0103", false},
		{"-S openat -F auid>=1000 -F auid!=unset", true}, {"-S openat -F auid>1000", false}, {"-S openat -F auid<=1000", true}, {"-S openat -F auid<1000", false},
		{"-S openat -F uid=1000 -F euid=0", true}, {"-S openat -F uid=0", false},
		{"-S openat -C uid!=euid", true}, {"-S openat -C uid=euid", false}, {"-S openat -C uid=obj_uid", false},
		{"-S openat -F exe=/bin/sh", true}, {"-S openat -F exe!=/bin/sh", false},
		{"-F path=/etc/shadow -F perm=wa", true}, {"-F path=/etc/shadow -F perm=r", false}, {"-F path=/etc/passwd -F perm=w", false},
		{"-F dir=/etc -F perm=w", true}, {"-F dir=/et -F perm=w", false},
		{"-S openat -F obj_type=shadow_t", false}, // what is not known of it
	} {
		if got := desire(t, "-a always,exit "+test.fields+" -k x").Caught(&s) != nil; got != test.matches {
			t.Errorf("%s matches: %v, want %v", test.fields, got, test.matches)
		}
	}
	d := desire(t, "-a never,exit -S openat -F exe=/bin/ls", "-a always,exit -S openat -k first", "-a always,exit -S openat -F success=0 -k second", "-a never,exclude -F msgtype=CWD")
	if line := d.Caught(&s); line == nil || line.Rule.Keys()[0] != "first" {
		t.Errorf("%v decides", line)
	}
	s.Exe = "/bin/ls"
	if line := d.Caught(&s); line != nil {
		t.Errorf("%v decides over the one in front that keeps it from being audited", line)
	}
	if d.Excluded(1307) == nil || d.Excluded(1300) != nil {
		t.Error("the wrong records are excluded")
	}
}
