// Package watch decides, from outside the process that records, whether auditing
// works: it looks, finds what is wrong, and says in one word how it stands. Deciding
// is pure; looking is not, and has files of its own (look*.go).
package watch

import (
	_ "embed"
	"slices"
	"sync"

	"auditbridge/internal/alarm"
	"auditbridge/internal/status"
)

// Finding is one thing that is not as it must be.
type Finding struct {
	Code   string `json:"code"`             // its row in findings.txt
	Object string `json:"object,omitempty"` // which of several: a destination
	Detail string `json:"detail,omitempty"` // what was seen; may hold foreign text
}

//go:embed findings.txt
var table string

// Kinds are all findings there are, the most telling first. The severity of each
// is a status.State.
var Kinds = sync.OnceValue(func() []alarm.Kind {
	kinds, err := alarm.Parse(table)
	if err != nil {
		panic("internal error: findings.txt: " + err.Error())
	}
	return kinds
})

// Lookup returns the kind of a finding, nil when there is none of that code.
func Lookup(code string) *alarm.Kind {
	if i := rank(code); i < len(Kinds()) {
		return &Kinds()[i]
	}
	return nil
}

// rank is where a code stands in the table.
func rank(code string) int {
	if i := slices.IndexFunc(Kinds(), func(k alarm.Kind) bool { return k.ID == code }); i >= 0 {
		return i
	}
	return len(Kinds())
}

// State is what a finding makes of the whole.
func (f Finding) State() status.State {
	if k := Lookup(f.Code); k != nil {
		return status.State(k.Severity)
	}
	return status.Degraded
}
