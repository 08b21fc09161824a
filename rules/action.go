package rules

import (
	_ "embed"
	"fmt"
	"slices"
	"strings"
	"sync"

	"auditbridge/auditbridge"
)

//go:embed actions.txt
var actionsText string

// RequiredEvent is a row of actions.txt: something that an audited host must
// notice.
type RequiredEvent struct {
	Name     string
	What     string
	Profiles []string // that ask for it
	Class    auditbridge.Class
	Outcome  string // success or fail
	Sample   Sample // of a program of 64 bits; Type instead of Call where no rule is needed
}

// samplePerson is a login user such as the rules of people are about.
const samplePerson = 40000

// RequiredEvents are all of them, as they look on a host.
func RequiredEvents(host *Host) []RequiredEvent {
	all := slices.Clone(requiredEvents())
	for i := range all {
		all[i].Sample.Arch = host.Arch
	}
	return all
}

var requiredEvents = sync.OnceValue(func() (all []RequiredEvent) {
	for line := range strings.Lines(actionsText) {
		if line = strings.TrimSpace(line); line == "" || line[0] == '#' {
			continue
		}
		event, err := readRequiredEvent(strings.Split(line, "|"))
		if err != nil {
			panic(fmt.Sprintf("actions.txt: %v: %s", err, line))
		}
		all = append(all, event)
	}
	return all
})

func readRequiredEvent(columns []string) (e RequiredEvent, err error) {
	if len(columns) != 6 {
		return e, complain("%d columns", len(columns))
	}
	for i := range columns {
		columns[i] = strings.TrimSpace(columns[i])
	}
	e = RequiredEvent{Name: columns[0], What: columns[1], Profiles: strings.Fields(columns[2]), Outcome: columns[4], Sample: Sample{AUID: samplePerson}}
	class, ok := auditbridge.ParseClass(columns[3])
	if e.Class = class; !ok {
		return e, complain("class %q", columns[3])
	}
	for _, word := range strings.Fields(columns[5]) {
		key, value, _ := strings.Cut(word, "=")
		if err := e.Sample.read(key, value); err != nil {
			return e, err
		}
	}
	return e, nil
}

func (s *Sample) read(key, value string) (err error) {
	switch key {
	case "by":
		people := map[string][2]uint32{"user": {samplePerson, samplePerson}, "setuid": {samplePerson, 0}, "root": {}}
		ids, ok := people[value]
		if s.UID, s.EUID = ids[0], ids[1]; !ok {
			err = complain("nobody is %q", value)
		}
	case "record":
		s.Type, _ = auditbridge.ParseType([]byte(value))
	case "call":
		s.Call = value
	case "exit":
		var n uint32
		n, err = readExit(value)
		s.Exit = int32(n)
	case "a0", "a1", "a2", "a3":
		s.Args[key[1]-'0'], err = readNumber(value)
	case "exe":
		s.Exe = value
	case "path":
		s.Path = value
	case "touched":
		s.Touched, err = readPermissions(value)
	default:
		err = complain("unknown word %q", key)
	}
	return err
}

// Coverage says of each required event whether and by which rule it is audited.
type Coverage struct {
	Event *RequiredEvent
	Rule  *Line // that decides; nil when there is none, or none is needed
	Alone bool  // it reports itself: no rule is needed
}

// Caught tells whether the event is in the log.
func (c *Coverage) Caught() bool { return c.Rule != nil || c.Alone }

// Cover looks for the rule that audits each event.
func (d *Desired) Cover(events []RequiredEvent) []Coverage {
	all := make([]Coverage, len(events))
	for i := range events {
		e := &events[i]
		all[i].Event = e
		if e.Sample.Call == "" {
			all[i].Alone = d.Excluded(e.Sample.Type) == nil
		} else {
			all[i].Rule = d.Caught(&e.Sample)
		}
	}
	return all
}
