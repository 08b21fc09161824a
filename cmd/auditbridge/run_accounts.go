package main

import (
	"auditbridge/auditbridge"
	"auditbridge/internal/accounts"
	"auditbridge/journal"
)

// accountsJournal is the journal as accounts.Recorder sees it.
type accountsJournal struct{ *journal.Journal }

func (j accountsJournal) Books() (segment auditbridge.Sequence, records uint64) {
	if all := j.Segments(); len(all) > 0 {
		segment = all[len(all)-1].First
	}
	return segment, j.Stats().Records
}

// openAccounts is what names this journal's people in years and elsewhere.
func (d *daemon) openAccounts() error {
	if d.cfg.RecordsAccounts() {
		d.accounts = accounts.NewRecorder(accounts.Config{}, accountsJournal{d.journal}, d.log)
	}
	return nil
}
