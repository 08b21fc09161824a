package rules

import (
	"strings"
	"testing"

	"auditbridge/auditbridge/interpret"
)

// TestEveryProfileIsValidEverywhere: on each architecture whose calls are known,
// no line of any profile is wrong, each rule says which requirement it serves, and
// nothing in it, alone or with base, is shadowed or without its twin.
func TestEveryProfileIsValidEverywhere(t *testing.T) {
	around := &Surroundings{
		Exists: func(string) bool { return true }, Mounts: func() (a, b []string) { return },
		OwnDirs: []string{"/var/log/audit/auditbridge", "/var/lib/auditbridge", "/run/auditbridge"},
	}
	base, err := FindProfile("base")
	if err != nil {
		t.Fatal(err)
	}
	for _, arch := range []string{"x86_64", "aarch64", "ppc64le", "s390x", "riscv64", "loongarch64"} {
		host := testHost()
		host.Arch, _ = interpret.ArchNamed(arch)
		for _, p := range Profiles() {
			text := p.For(host)
			f, err := Parse(p.Name, text, host)
			if err != nil {
				t.Errorf("%s on %s: %v", p.Name, arch, err)
				continue
			}
			purposes := Purposes(text)
			for _, s := range f.Statements {
				if s.Verb == Add && purposes[s.At.Line].Requirement == "" {
					t.Errorf("%s on %s: line %d serves no requirement: %s", p.Name, arch, s.At.Line, s.Text)
				}
			}
			if p.Name != "base" && p.Name != "quiet" {
				first, err := Parse("base", base.For(host), host)
				if err != nil {
					t.Fatal(err)
				}
				f.Statements = append(first.Statements, f.Statements...)
			}
			for _, w := range Check(host, f, around) {
				if !(arch != "x86_64" && strings.Contains(w.What, "32 bits")) {
					t.Errorf("%s on %s: %v", p.Name, arch, w)
				}
			}
		}
	}
}

func TestAProfileThatIsNotThere(t *testing.T) {
	_, err := FindProfile("sitg")
	if p, ok := err.(Problem); !ok || p.Hint != `did you mean "stig"?` {
		t.Errorf("%v", err)
	}
}
