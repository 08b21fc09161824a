package watch

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// A watch that is started again finds what the one before it found, and what has
// happened since: nobody has it say that all is well by ending it.
func TestTheNextWatchKnowsWhatTheOneBeforeItKnew(t *testing.T) {
	beside := Want{Source: "multicast", Local: true, Backlog: 8192}
	for _, row := range []struct {
		want string
		does func(f *Facts)
	}{
		{"", func(f *Facts) {}},
		{"rules-gone", func(f *Facts) { f.Kernel.Rules = 0 }},
		{"rules-fewer", func(f *Facts) { f.Kernel.Rules = 8 }},
		{"features-changed", func(f *Facts) { f.Kernel.Features = 1 }},
		{"auditd-gone", func(f *Facts) { f.Kernel.Owner = Owner{} }},
		{"records-lost", func(f *Facts) { f.Kernel.Lost = 41 }},
		{"lost-reset", func(f *Facts) { f.Kernel.Lost = 0 }},
	} {
		dir := t.TempDir()
		var before Memory
		if _, ok := before.Known(); ok {
			t.Fatal("something is known before the kernel has answered")
		}
		f := well(1000)
		f.Kernel.Lost, f.Kernel.Owner = 40, Owner{PID: 99, Name: "auditd"}
		before.Find(&beside, &f)
		known, _ := before.Known()
		if err := known.keep(dir); err != nil {
			t.Fatal(err)
		}
		var next Memory
		known, err := readKnown(dir)
		if err != nil {
			t.Fatal(err)
		}
		next.GoOn(known)
		f.At = at(2000)
		row.does(&f)
		if got := foundCodes(next.Find(&beside, &f)); got != row.want {
			t.Errorf("want %q, found %q", row.want, got)
		}
	}
}

// What is left of another boot, or of nobody, is not gone by.
func TestWhatAnotherBootKnewIsForgotten(t *testing.T) {
	dir := t.TempDir()
	for name, text := range map[string]string{"another boot": `{"boot":"x","rules":9}`, "no JSON": "{", "too long": strings.Repeat(" ", mostKnown+1)} {
		if err := os.WriteFile(filepath.Join(dir, knownFile), []byte(text), 0o600); err != nil {
			t.Fatal(err)
		}
		if k, err := readKnown(dir); err == nil || k != (Known{}) {
			t.Errorf("%s: %+v, %v", name, k, err)
		}
	}
}
