// Package alarm holds the alarms auditbridge knows and decides when one is
// raised and when it is cleared, by its own table or one of another package's. It
// is pure.
package alarm

import (
	_ "embed"
	"fmt"
	"sync"
	"time"

	"auditbridge/internal/glossary"
)

// Kind is a row of alarms.txt.
type Kind struct {
	ID          string
	Severity    string        // syslog's name of the record's that raises it
	Raise       time.Duration // how long the condition must hold
	Clear       time.Duration // how long it must be gone
	Title       string
	Description string
	Remedy      string
}

//go:embed alarms.txt
var table string

// Kinds are all alarms there are, in the order of alarms.txt, which is read when
// they are first asked for.
var Kinds = sync.OnceValue(func() []Kind { return mustParse(table) })

var byID = sync.OnceValue(func() map[string]*Kind {
	all := map[string]*Kind{}
	for i := range Kinds() {
		all[Kinds()[i].ID] = &Kinds()[i]
	}
	return all
})

// Lookup returns the alarm of that id, nil when there is none.
func Lookup(id string) *Kind { return byID()[id] }

func mustParse(text string) []Kind {
	kinds, err := Parse(text)
	if err != nil {
		panic("internal error: alarms.txt: " + err.Error())
	}
	return kinds
}

// Parse reads a table in the format that alarms.txt explains.
func Parse(text string) (kinds []Kind, err error) {
	entries, err := glossary.Parse(text)
	if err != nil {
		return nil, err
	}
	for _, e := range entries {
		k, err := parseHead(e.Head)
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", e.Line, err)
		}
		k.Title, k.Description, k.Remedy = e.Title, e.Description, e.Remedy
		kinds = append(kinds, k)
	}
	return kinds, nil
}

func parseHead(fields []string) (k Kind, err error) {
	if len(fields) != 4 {
		return k, fmt.Errorf("%d fields, want id severity raise clear", len(fields))
	}
	k.ID, k.Severity = fields[0], fields[1]
	if k.Raise, err = time.ParseDuration(fields[2]); err != nil {
		return k, err
	}
	k.Clear, err = time.ParseDuration(fields[3])
	return k, err
}
