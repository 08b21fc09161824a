package interpret

import (
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the tables of the document anew")

const document = "../../docs/format/interpretation.md"

// TestDocument: the tables in docs/format/interpretation.md are those the program
// goes by. They stand behind their headings, to the end of the page.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(document)
	if err != nil {
		t.Fatal(err)
	}
	intro, _, ok := strings.Cut(string(text), "## Fields\n")
	if !ok {
		t.Fatalf("%s has no section “Fields”", document)
	}
	want := intro + fieldsTable() + argumentsTable()
	if *update {
		if err := os.WriteFile(document, []byte(want), 0o644); err != nil {
			t.Fatal(err)
		}
		return
	}
	if string(text) != want {
		t.Errorf("%s is not what fields.txt and arguments.txt say; run `go test ./auditbridge/interpret -run TestDocument -update`", document)
	}
}

func fieldsTable() string {
	var out strings.Builder
	out.WriteString("## Fields\n\n| fields | in | mean |\n|---|---|---|\n")
	for row := range rows(fieldsText) {
		types := strings.Join(row[3:], " ")
		if types == "" {
			types = "all records"
		}
		fmt.Fprintf(&out, "| %s | %s | %s |\n", quoted(row[0]), types, described(row[2]))
	}
	return out.String()
}

func argumentsTable() string {
	var out strings.Builder
	out.WriteString("\n## Arguments of system calls\n\n| calls | on | a0 | a1 | a2 | a3 |\n|---|---|---|---|---|---|\n")
	for row := range rows(argumentsText) {
		names, columns, _ := strings.Cut(row[0], ":")
		fmt.Fprintf(&out, "| %s | %s |", quoted(names), strings.ReplaceAll(columns, ",", " "))
		for i := range 4 {
			word := ""
			if i+1 < len(row) {
				word = described(row[i+1])
			}
			fmt.Fprintf(&out, " %s |", word)
		}
		out.WriteByte('\n')
	}
	return out.String()
}

func quoted(names string) string {
	return "`" + strings.ReplaceAll(names, ",", "` `") + "`"
}

// described says what a kind is: a table of names.txt by its own name.
func described(word string) string {
	if name, by, ok := strings.Cut(word, "@"); ok {
		return name + ", by a" + by
	}
	word, low := strings.CutSuffix(word, "/16")
	if low {
		return word + ", its low 16 bits"
	}
	if words, ok := descriptions[word]; ok {
		return words
	}
	return word
}

var descriptions = map[string]string{
	"-": "", "int": "number", "long": "number", "answer": "yes or no", "path": "path, or @ and a socket's name", "keys": "keys of rules",
	"arch": "architecture", "argument": "argument, see below", "exit": "error and what it means", "errno": "error and what it means",
	"address": "address: family, host, port, path …", "mode": "type and permissions", "device-mode": "type and permissions",
	"creation": "permissions, where a file may be created", "promiscuous": "whether the device is promiscuous", "directory": "descriptor or AT_FDCWD",
	"syscall": "system call", "session": "number, or unset", "user16": "user, of 16 bits", "group16": "group, of 16 bits",
}
