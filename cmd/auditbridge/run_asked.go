package main

import (
	"context"
	"encoding/json"
	"sync"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/allowance"
	"auditbridge/internal/control"
)

// asked puts on record who read the journal, and who asked run for something
// without the right to. Who it is, is the kernel's word.
type asked struct {
	note func(auditbridge.Note)

	mu     sync.Mutex
	denied allowance.Allowance
}

// reading is what a command says it has read of the journal.
type reading struct {
	With string // the command
}

// askReading tells run that the journal is read.
const askReading = "journal-read"

func answerReading(a *asked) control.Handler {
	return func(_ context.Context, who control.Peer, args json.RawMessage) (any, error) {
		var r reading
		if err := json.Unmarshal(args, &r); err != nil {
			return nil, err
		}
		n := auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "journal-read", auditbridge.Text("with", brief(r.With)))
		n.Actor = actor(who)
		a.note(n)
		return true, nil
	}
}

// refused is told of each who may not ask. Of very many not each is on record,
// but how many.
func (a *asked) refused(who control.Peer, what string) {
	a.mu.Lock()
	before, ok := a.denied.Take(time.Now())
	a.mu.Unlock()
	if !ok {
		return
	}
	n := auditbridge.OwnFailure("ask-refused", auditbridge.Text("what", brief(what)), auditbridge.Text("reason", "neither root nor the user run runs as"))
	n.Actor = actor(who)
	if before > 0 {
		n.Fields = append(n.Fields, auditbridge.Number("unrecorded", before))
	}
	a.note(n)
}
