package main

import (
	"auditbridge/auditbridge"
	"auditbridge/internal/control"
)

// What the records of run's own have in common: who, and what others wrote.

// nobody stands where it is not known who.
var nobody = auditbridge.Actor{AUID: auditbridge.Unset, UID: auditbridge.Unset, Session: auditbridge.Unset}

// actor is a peer as records name it.
func actor(who control.Peer) auditbridge.Actor {
	return auditbridge.Actor{AUID: who.LoginUID, UID: who.UID, Session: who.Session, PID: who.PID}
}

// brief bounds what a record repeats of what others wrote.
func brief(text string) string {
	const most = 500
	if len(text) > most {
		return text[:most] + "..."
	}
	return text
}
