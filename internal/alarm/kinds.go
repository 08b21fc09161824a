// Package alarm holds the alarms auditbridge knows and decides when one is
// raised and when it is cleared, by its own table or one of another package's. It
// is pure.
package alarm

import (
	_ "embed"
	"fmt"
	"strings"
	"time"
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

// Kinds are all alarms there are, in the order of alarms.txt.
var Kinds = mustParse(table)

var byID = func() map[string]*Kind {
	all := map[string]*Kind{}
	for i := range Kinds {
		all[Kinds[i].ID] = &Kinds[i]
	}
	return all
}()

// Lookup returns the alarm of that id, nil when there is none.
func Lookup(id string) *Kind { return byID[id] }

func mustParse(text string) []Kind {
	kinds, err := Parse(text)
	if err != nil {
		panic("internal error: alarms.txt: " + err.Error())
	}
	return kinds
}

// Parse reads a table in the format that alarms.txt explains.
func Parse(text string) (kinds []Kind, err error) {
	for n, line := range strings.Split(text, "\n") {
		switch fields := strings.Fields(line); {
		case len(fields) == 0 || strings.HasPrefix(line, "#"):
		case line[0] != ' ':
			var k Kind
			if k, err = parseHead(fields); err == nil {
				kinds = append(kinds, k)
			}
		case len(kinds) == 0:
			err = fmt.Errorf("text of no alarm")
		default:
			err = kinds[len(kinds)-1].text(fields[0], strings.Join(fields[1:], " "))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
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

func (k *Kind) text(name, text string) error {
	to := map[string]*string{"title:": &k.Title, "description:": &k.Description, "remedy:": &k.Remedy}[name]
	if to == nil || *to != "" {
		return fmt.Errorf("%q is not expected here", name)
	}
	*to = text
	return nil
}
