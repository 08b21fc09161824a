package ecs

import (
	_ "embed"
	"fmt"
	"strings"
	"sync"
)

//go:embed ecs.txt
var tableText string

// meaning is what an event is in the schema's words.
type meaning struct {
	kind       string
	categories string // as JSON strings with commas between
	types      string // the same
	action     string // "" is the name of the type or of the system call
	byCall     bool   // the system call's meaning counts, if there is one
	account    whose  // whom acct= is about
}

// whose account a program's message is about.
type whose uint8

const (
	nobodys whose = iota
	actors        // who logs in: authentication and session
	targets       // who is administered: iam
)

// meanings is read when it is first asked for.
var meanings = sync.OnceValue(func() *table { return mustReadTable(tableText) })

type table struct {
	msgIDs map[string]*meaning
	types  map[string]*meaning
	calls  map[string]*meaning
	call   *meaning // every other
}

// mustReadTable reads the embedded table; a mistake in it is a mistake in the
// program.
func mustReadTable(text string) *table {
	t := &table{msgIDs: map[string]*meaning{}, types: map[string]*meaning{}, calls: map[string]*meaning{}}
	section := ""
	for line := range strings.Lines(text) {
		line, _, _ = strings.Cut(line, "#")
		c := strings.Fields(line)
		switch {
		case len(c) == 0:
		case len(c) == 1:
			section = c[0]
		case section == "[call]" && len(c) > 3:
			t.addCalls(newMeaning("event", c[0], c[1], c[2]), c[3:])
		case section == "[msgid]" && len(c) == 5:
			t.msgIDs[c[0]] = newMeaning(c[1], c[2], c[3], c[4])
		case section == "[type]" && len(c) == 5:
			t.types[c[0]] = newMeaning(c[1], c[2], c[3], c[4])
		default:
			panic(fmt.Sprintf("ecs.txt: %s: %q", section, line))
		}
	}
	return t
}

func (t *table) addCalls(m *meaning, names []string) {
	for _, name := range names {
		if name == "*" {
			t.call = m
			return
		}
		t.calls[name] = m
	}
}

func newMeaning(kind, categories, types, action string) *meaning {
	m := &meaning{kind: kind, types: jsonList(types), action: action}
	categories, m.byCall = cutCall(categories)
	m.categories = jsonList(categories)
	if action == "*" {
		m.action = ""
	}
	switch {
	case strings.Contains(categories, "iam"):
		m.account = targets
	case strings.Contains(categories, "authentication"), strings.Contains(categories, "session"):
		m.account = actors
	}
	return m
}

func cutCall(categories string) (string, bool) {
	own, byCall := strings.CutPrefix(categories, "call/")
	return own, byCall
}

func jsonList(words string) string {
	return `"` + strings.ReplaceAll(words, ",", `","`) + `"`
}
