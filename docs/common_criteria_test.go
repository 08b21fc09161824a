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

// TestRequirementsHaveOptionsAndRecords: the table from requirements names every row of
// the other once or more, keys that there are and records that there are.
func TestRequirementsHaveOptionsAndRecords(t *testing.T) {
	page, keys, classes := read(t, "common-criteria.md"), read(t, "configuration.md"), read(t, "../auditbridge/classes.txt")
	_, both, _ := strings.Cut(page, "## From requirement to option and record")
	table, tests, found := strings.Cut(both, "## From row to test")
	if !found {
		t.Fatal("common-criteria.md has not both tables")
	}
	name := regexp.MustCompile(`T-[A-Za-z0-9-]+`)
	named := map[string]bool{}
	for _, row := range name.FindAllString(table, -1) {
		named[row] = true
	}
	for _, row := range regexp.MustCompile(`(?m)^\| (T-[A-Za-z0-9-]+) \|`).FindAllStringSubmatch(tests, -1) {
		if !named[row[1]] {
			t.Errorf("no requirement names %s", row[1])
		}
		delete(named, row[1])
	}
	for row := range named {
		t.Errorf("a requirement names %s, which is no row", row)
	}
	for _, row := range regexp.MustCompile(`(?m)^\| [^|]+ \|([^|]*)\|([^|]*)\| T-`).FindAllStringSubmatch(table, -1) {
		for _, key := range regexp.MustCompile("`([a-z-]+)`").FindAllStringSubmatch(row[1], -1) {
			if !regexp.MustCompile("[`\\[.]" + key[1] + "[`\\]. ]").MatchString(keys) {
				t.Errorf("configuration.md has no key %s", key[1])
			}
		}
		for _, op := range regexp.MustCompile("`op=([a-z-]+)`").FindAllStringSubmatch(row[2], -1) {
			if !regexp.MustCompile(`(?m)^` + op[1] + ` `).MatchString(classes) {
				t.Errorf("there is no record op=%s", op[1])
			}
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

func read(t *testing.T, file string) string {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
