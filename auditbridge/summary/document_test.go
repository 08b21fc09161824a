package summary

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// The examples of docs/format/summary.md are sentences of the golden files.
func TestExamplesAreReal(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/summary.md")
	if err != nil {
		t.Fatal(err)
	}
	files, err := filepath.Glob("testdata/*.golden")
	if err != nil {
		t.Fatal(err)
	}
	real := map[string]bool{}
	for _, file := range files {
		golden, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for line := range strings.Lines(string(golden)) {
			real[line] = true
		}
	}
	_, examples, _ := strings.Cut(string(page), "\n## Examples\n")
	n := 0
	for line := range strings.Lines(examples) {
		if sentence, ok := strings.CutPrefix(line, "    "); ok {
			if n++; !real[sentence] {
				t.Errorf("no golden file has the sentence %q", sentence)
			}
		}
	}
	if n < 20 {
		t.Errorf("%d examples", n)
	}
}

// The page names the limits as the code has them.
func TestLimitsAreDocumented(t *testing.T) {
	page, err := os.ReadFile("../../docs/format/summary.md")
	if err != nil {
		t.Fatal(err)
	}
	for _, limit := range []string{"longer than 256 bytes", "shorter than 4096 bytes", "`_-./@+%=~#:|,*`"} {
		if !strings.Contains(string(page), limit) {
			t.Errorf("the page does not say %q", limit)
		}
	}
	if maxWord != 256 || MaxLength != 4096 {
		t.Errorf("the limits are %d and %d", maxWord, MaxLength)
	}
}
