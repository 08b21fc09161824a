package diskguard

import (
	"context"
	"strings"
	"sync/atomic"

	"auditbridge/auditbridge"
	"auditbridge/journal"
)

// fake is a journal whose state the test decides. What is asked of it is written
// down in words.
type fake struct {
	state   atomic.Uint32 // a journal.State
	bytes   int64
	written uint64 // since it began
	err     error

	did  []string
	tell func(what string) // instead of did
}

func (j *fake) do(what string) {
	if j.tell != nil {
		j.tell(what)
		return
	}
	j.did = append(j.did, what)
}

func (j *fake) Stats() journal.Stats {
	return journal.Stats{State: journal.State(j.state.Load()), Err: j.err, Bytes: j.written}
}
func (j *fake) enters(s journal.State)      { j.state.Store(uint32(s)) }
func (j *fake) Segments() []journal.Segment { return []journal.Segment{{Bytes: j.bytes}} }

// Note writes down a record by its op.
func (j *fake) Note(n auditbridge.Note) {
	of := map[string]string{}
	for _, f := range n.Fields {
		of[f.Key] = f.Value
	}
	switch {
	case n.Op == "disk-level":
		j.do("level " + of["level"] + " was " + of["was"])
	case n.Op == "space-action" && n.Failed:
		j.do("failed " + of["action"] + " at " + of["why"] + ": " + of["reason"])
	case n.Op == "space-action" && of["enforce"] != "":
		j.do("would " + of["action"] + " at " + of["why"])
	case n.Op == "space-action":
		j.do("action " + of["action"] + " at " + of["why"])
	default:
		j.do(strings.TrimSpace(n.Op + " at " + of["why"]))
	}
}

func (j *fake) Checkpoint(ctx context.Context) error {
	j.do("sealed")
	return ctx.Err()
}

func (j *fake) Suspend(context.Context) error {
	j.do("suspended")
	j.enters(journal.StateSuspended)
	return nil
}

func (j *fake) Resume(context.Context) error {
	j.do("resumed")
	j.enters(journal.StateOK)
	return nil
}
