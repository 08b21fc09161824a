// Package docs holds the documents to the code and the code to the documents.
package docs

import (
	"encoding/json"
	"errors"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
)

const module = "auditbridge/"

// TestImports holds every package to its row of the table "Who may import
// whom" in ARCHITECTURE.md.
func TestImports(t *testing.T) {
	allowed := importTable(t)
	for _, p := range packages(t) {
		name := strings.TrimPrefix(p.ImportPath, module)
		if name == "cmd/auditbridge" || testSupport(name) {
			continue
		}
		row, ok := allowed[name]
		if !ok {
			t.Errorf("%s has no row in ARCHITECTURE.md", name)
			continue
		}
		for _, path := range p.Imports {
			other, ours := strings.CutPrefix(path, module)
			if ours && !slices.Contains(row, other) {
				t.Errorf("%s imports %s, which its row does not allow", name, other)
			}
		}
	}
}

// testSupport are packages that only tests, documents and measurements use.
func testSupport(name string) bool {
	top, _, _ := strings.Cut(name, "/")
	return top == "docs" || top == "bench" || strings.HasPrefix(name, "internal/audittest") || name == "internal/faultdisk" || name == "internal/peertest"
}

// importTable reads the first table that follows the heading.
func importTable(t *testing.T) map[string][]string {
	t.Helper()
	text, err := os.ReadFile("ARCHITECTURE.md")
	if err != nil {
		t.Fatal(err)
	}
	_, section, ok := strings.Cut(string(text), "## Who may import whom")
	if !ok {
		t.Fatal("ARCHITECTURE.md has no section “Who may import whom”")
	}
	section, _, _ = strings.Cut(section, "\n## ")
	quoted := regexp.MustCompile("`([^`]+)`")
	table := map[string][]string{}
	for line := range strings.Lines(section) {
		cells := strings.Split(line, "|")
		if len(cells) != 4 {
			continue
		}
		name := quoted.FindStringSubmatch(cells[1])
		if name == nil {
			continue
		}
		table[name[1]] = []string{}
		for _, m := range quoted.FindAllStringSubmatch(cells[2], -1) {
			table[name[1]] = append(table[name[1]], m[1])
		}
	}
	return table
}

type goPackage struct {
	Dir        string
	ImportPath string
	Imports    []string
}

func packages(t *testing.T) []goPackage {
	t.Helper()
	cmd := exec.Command("go", "list", "-json=Dir,ImportPath,Imports", "./...")
	cmd.Dir = ".."
	out, err := cmd.Output()
	if err != nil {
		t.Fatal("go list:", err)
	}
	var all []goPackage
	for d := json.NewDecoder(strings.NewReader(string(out))); ; {
		var p goPackage
		if err := d.Decode(&p); errors.Is(err, io.EOF) {
			return all
		} else if err != nil {
			t.Fatal(err)
		}
		all = append(all, p)
	}
}

// TestLinks: a relative link in a document leads to a file that exists.
func TestLinks(t *testing.T) {
	link := regexp.MustCompile(`\]\(([^)#:]+)(#[^)]*)?\)`)
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range link.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join(filepath.Dir(file), m[1])); err != nil {
				t.Errorf("%s links to %s: %v", file, m[1], err)
			}
		}
	}
}

// TestNamedPlaces: every folder or file that ARCHITECTURE.md and the README
// name in backquotes with a slash exists.
func TestNamedPlaces(t *testing.T) {
	place := regexp.MustCompile("`([a-z]+/[a-zA-Z0-9_./-]*)`")
	for _, file := range []string{"ARCHITECTURE.md", "../README.md", "../CONTRIBUTING.md"} {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range place.FindAllStringSubmatch(string(text), -1) {
			if _, err := os.Stat(filepath.Join("..", m[1])); err != nil {
				t.Errorf("%s names %s: %v", file, m[1], err)
			}
		}
	}
}

// TestNamedTests: every test that a document names as what shows something
// exists.
func TestNamedTests(t *testing.T) {
	there := map[string]bool{}
	declared := regexp.MustCompile(`(?m)^func (Test[A-Za-z0-9]+)\(`)
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
			for _, m := range declared.FindAllSubmatch(text, -1) {
				there[string(m[1])] = true
			}
		}
	}
	named := regexp.MustCompile("`(Test[A-Za-z0-9]+)`")
	for _, file := range documents(t) {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		for _, m := range named.FindAllSubmatch(text, -1) {
			if !there[string(m[1])] {
				t.Errorf("%s names %s, which is no test", file, m[1])
			}
		}
	}
}

func documents(t *testing.T) []string {
	t.Helper()
	files := []string{"../README.md", "../CONTRIBUTING.md"}
	for _, pattern := range []string{"*.md", "format/*.md", "../bench/*.md"} {
		more, err := filepath.Glob(pattern)
		if err != nil {
			t.Fatal(err)
		}
		files = append(files, more...)
	}
	return files
}

// TestEveryOpHasARow: every record of our own is classified by name in
// classes.txt, and classes.txt names none that does not exist.
func TestEveryOpHasARow(t *testing.T) {
	table, err := os.ReadFile("../auditbridge/classes.txt")
	if err != nil {
		t.Fatal(err)
	}
	_, section, _ := strings.Cut(string(table), "\n[op]\n")
	rows := map[string]bool{}
	for line := range strings.Lines(section) {
		if name, _, _ := strings.Cut(line, " "); !strings.HasPrefix(name, "#") && name != "*" {
			rows[name] = true
		}
	}
	used := map[string]bool{"block": true, "alarm-raised": true, "alarm-cleared": true, "config": true}
	for _, op := range []string{"banner-raised", "banner-changed", "banner-cleared", "banner-snoozed", "banner-unsnoozed", "hook-failed", "failure-action"} { // the watch's, which run puts on record
		used[op] = true
	}
	made := regexp.MustCompile(`(?:[nN]ote|OwnFailure|noteLoss|noteLink)\((?:(?:auditbridge\.)?Type[A-Za-z]+, )?"([a-z-]+)"|\bOp(?:, [a-zA-Z.]+)* = "([a-z-]+)"|\{"([a-z-]+)", stats\.|\bop(?:, [a-zA-Z]+)? :?= "([a-z-]+)"`)
	for _, folder := range []string{"journal", "forward", "diskguard", "retention", "auditbridge", "internal/accounts", "cmd/auditbridge"} {
		files, err := filepath.Glob(filepath.Join("..", folder, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			for _, m := range made.FindAllStringSubmatch(string(text), -1) {
				op := strings.Join(m[1:], "")
				used[op] = true
				if !rows[op] {
					t.Errorf("%s makes op=%s, which classes.txt does not name", file, op)
				}
			}
		}
	}
	for op := range rows {
		if !used[op] {
			t.Errorf("classes.txt names op=%s, which nothing makes", op)
		}
	}
}

// TestEcsTableIsComplete: every MSGID that classes.txt gives an event has a row
// in the table of the Elastic Common Schema, and no row there is of a MSGID or a
// type that classes.txt lacks.
func TestEcsTableIsComplete(t *testing.T) {
	ids, types := map[string]bool{}, map[string]bool{}
	for _, row := range rows(t, "../auditbridge/classes.txt") {
		if len(row.cells) > 2 {
			ids[row.cells[len(row.cells)-1]] = false
			types[row.cells[1]] = true
		}
	}
	for _, row := range rows(t, "../forward/ecs/ecs.txt") {
		name := row.cells[0]
		_, isID := ids[name]
		switch {
		case row.section == "[msgid]" && isID:
			ids[name] = true
		case row.section == "[msgid]", row.section == "[type]" && !types[name]:
			t.Errorf("ecs.txt has %s in %s, which classes.txt lacks", name, row.section)
		}
	}
	for name, has := range ids {
		if !has {
			t.Errorf("ecs.txt has no row for MSGID %s", name)
		}
	}
}

type tableRow struct {
	section string
	cells   []string
}

// rows reads a table file: sections in brackets, cells between blanks, comments
// behind #.
func rows(t *testing.T, file string) (all []tableRow) {
	t.Helper()
	text, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	section := ""
	for line := range strings.Lines(string(text)) {
		line, _, _ = strings.Cut(line, "#")
		switch cells := strings.Fields(line); len(cells) {
		case 0:
		case 1:
			section = cells[0]
		default:
			all = append(all, tableRow{section, cells})
		}
	}
	return all
}
