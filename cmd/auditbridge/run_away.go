package main

import (
	"auditbridge/auditbridge"
	"auditbridge/internal/status"
)

// wasAway says from when to when nobody heard and what passed in it, as far as is
// known by now.
func (l *losses) wasAway(now *auditbridge.Unheard) status.Away {
	before := l.before()
	away := status.Away{Since: before.At, Until: now.Back, After: "abnormal-end", First: now.Away.First}
	if before.Orderly {
		away.After = "stop"
	}
	if said := l.away.Load(); said != nil {
		away.First, away.Missing = said.First, said.Missing
	}
	away.Missing, away.Last = away.Missing+now.Away.Missing, now.Away.Last
	return away
}
