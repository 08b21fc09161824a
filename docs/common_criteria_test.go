package docs

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestCommonCriteriaRowsAreShown: each test that common-criteria.md names for a
// row exists and has a subtest of the row's name, and no test has a subtest of a
// row that the table lacks.
func TestCommonCriteriaRowsAreShown(t *testing.T) {
	table, err := os.ReadFile("common-criteria.md")
	if err != nil {
		t.Fatal(err)
	}
	shown := rowsShown(t)
	quoted := regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	inTable := map[string]bool{}
	for _, row := range regexp.MustCompile(`(?m)^\| (T-[A-Za-z0-9-]+) \|.*\| ([^|]+) \|$`).FindAllStringSubmatch(string(table), -1) {
		inTable[row[1]] = true
		tests := quoted.FindAllStringSubmatch(row[2], -1)
		if len(tests) == 0 && row[2] != "not yet" && !strings.HasPrefix(row[2], "cannot run here: ") {
			t.Errorf("%s names no test", row[1])
		}
		for _, named := range tests {
			if !shown[row[1]][named[1]] {
				t.Errorf("%s has no subtest %s", named[1], row[1])
			}
		}
	}
	for row, tests := range shown {
		if !inTable[row] {
			t.Errorf("%v shows %s, of which the table says nothing", tests, row)
		}
	}
}

// rowsShown is, by row, the tests that have a subtest of its name.
func rowsShown(t *testing.T) map[string]map[string]bool {
	t.Helper()
	function := regexp.MustCompile(`^func (Test[A-Za-z0-9]+)\(`)
	subtest := regexp.MustCompile(`"(T-[A-Z0-9]+(?:-[A-Za-z0-9]+)*)`)
	shown := map[string]map[string]bool{}
	for _, p := range packages(t) {
		files, err := filepath.Glob(filepath.Join(p.Dir, "*_test.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			within := ""
			for line := range strings.Lines(string(text)) {
				if m := function.FindStringSubmatch(line); m != nil {
					within = m[1]
				}
				if m := subtest.FindStringSubmatch(line); m != nil {
					if shown[m[1]] == nil {
						shown[m[1]] = map[string]bool{}
					}
					shown[m[1]][within] = true
				}
			}
		}
	}
	return shown
}
