// Package glossary reads tables of what is shown to people with a title, what it
// means and what to do:
//
//	head of some fields
//	    title:       …
//	    description: …
//	    remedy:      …
package glossary

import (
	"fmt"
	"strings"
)

// Entry is one of a table. Line counts from 1.
type Entry struct {
	Line        int
	Head        []string
	Title       string
	Description string
	Remedy      string
}

// Parse reads a table. Lines that begin with # are for its readers.
func Parse(text string) (all []Entry, err error) {
	for n, line := range strings.Split(text, "\n") {
		switch fields := strings.Fields(line); {
		case len(fields) == 0 || strings.HasPrefix(line, "#"):
		case line[0] != ' ':
			all = append(all, Entry{Line: n + 1, Head: fields})
		case len(all) == 0:
			err = fmt.Errorf("text of nothing")
		default:
			err = all[len(all)-1].text(fields[0], strings.Join(fields[1:], " "))
		}
		if err != nil {
			return nil, fmt.Errorf("line %d: %w", n+1, err)
		}
	}
	return all, nil
}

func (e *Entry) text(name, text string) error {
	to := map[string]*string{"title:": &e.Title, "description:": &e.Description, "remedy:": &e.Remedy}[name]
	if to == nil || *to != "" {
		return fmt.Errorf("%q is not expected here", name)
	}
	*to = text
	return nil
}
