package config

import (
	"errors"
	"fmt"
	"strings"

	"auditbridge/banner"
	"auditbridge/diskguard"
	"auditbridge/internal/nearest"
)

// diskAction is one of the keys that say what is done about the journal's disk.
type diskAction struct {
	key   string
	value string
	level diskguard.Level
	when  string
}

func (a *Audit) actions() []diskAction {
	return []diskAction{
		{"audit.space-left-action", a.SpaceLeftAction, diskguard.LevelSpaceLeft, "less than space-left is left of the journal's room"},
		{"audit.admin-space-left-action", a.AdminSpaceLeftAction, diskguard.LevelAdminSpaceLeft, "less than admin-space-left is left of the journal's room"},
		{"audit.disk-full-action", a.DiskFullAction, diskguard.LevelFull, "the journal's disk is full"},
		{"audit.disk-error-action", a.DiskErrorAction, diskguard.LevelError, "the journal's disk fails"},
	}
}

func (k *completion) actions() {
	for _, a := range k.Audit.actions() {
		switch action := diskguard.Action(a.value); {
		case k.refusedAction(&a):
		case action == diskguard.Email:
			if err := banner.CheckAddress(k.Audit.ActionMailAccount); err != nil {
				k.wrong("audit.action-mail-acct", `such as "root" or "audit@example.com"`, "%v", err)
			}
		case action == diskguard.Rotate && k.Audit.LegalHold:
			k.wrong(a.key, "choose another action, or end the hold", "\"rotate\" drops the oldest segments, and legal-hold keeps them")
		case action == diskguard.Rotate && a.level == diskguard.LevelFull && k.Audit.Overrun == "keep":
			k.warn(a.key, "", "what a destination has not got is not dropped (overrun = \"keep\"): when it is all there is, the disk stays full")
		case action == diskguard.Suspend && (a.level == diskguard.LevelSpaceLeft || a.level == diskguard.LevelAdminSpaceLeft):
			k.warn(a.key, "auditd's own way; \"syslog\" warns and goes on recording", "recording stops when %s, although there is room", a.when)
		}
	}
	for _, end := range k.Ends() {
		if end.Key == "audit.rescue-action" {
			continue // follows from the others
		}
		k.warn(end.Key, "", "%s when %s", end.What, end.When)
	}
}

// refusedAction says why a level cannot have an action, when it cannot.
func (k *completion) refusedAction(a *diskAction) bool {
	err := diskguard.CheckAction(a.level, diskguard.Action(a.value))
	if err == nil {
		return false
	}
	hint := ""
	var refused *diskguard.RefusedError
	if errors.As(err, &refused) {
		hint = refused.Hint()
	} else if strings.HasPrefix(a.value, "exec") {
		hint = `such as "exec:/usr/local/sbin/make-room": an absolute path, without arguments`
	} else if near := nearest.Word(a.value, strings.Fields(diskguard.ActionWords(a.level))); near != "" {
		hint = fmt.Sprintf("nearest value: %q", near)
	}
	k.wrong(a.key, hint, "%v", err)
	return true
}

// End is a key by whose value auditbridge itself takes the host down.
type End struct {
	Key   string `json:"key"`
	Value string `json:"value"`
	What  string `json:"what"`
	When  string `json:"when"`
}

// Ends lists everything in the configuration that could end what this host does.
// What is only reported ends nothing.
func (s *Settings) Ends() []End {
	ends, again := []End{}, false
	if diskguard.Enforce(s.Audit.Enforce) == diskguard.Report {
		return ends
	}
	for _, a := range s.Audit.actions() {
		switch action := diskguard.Action(a.value); {
		case diskguard.CheckAction(a.level, action) != nil:
		case action == diskguard.Halt:
			ends = append(ends, End{a.key, a.value, "this host is powered off", a.when})
			again = true
		case action == diskguard.Single:
			ends = append(ends, End{a.key, a.value, "this host goes into single-user mode", a.when})
		}
	}
	failed := fmt.Sprintf("auditbridge run has failed and is not brought back within %s", s.Audit.FailureWait)
	switch diskguard.Action(s.Audit.FailureAction) {
	case diskguard.Halt:
		ends = append(ends, End{"audit.audit-failure-action", s.Audit.FailureAction, "this host is powered off", failed})
		again = true
	case diskguard.Single:
		ends = append(ends, End{"audit.audit-failure-action", s.Audit.FailureAction, "this host goes into single-user mode", failed})
	}
	if again && diskguard.Action(s.Audit.RescueAction) == diskguard.Single {
		ends = append(ends, End{"audit.rescue-action", s.Audit.RescueAction, "this host goes into single-user mode", "it was halted, starts again, and nothing has changed"})
	}
	return ends
}
