package main

import (
	"encoding/json"
	"errors"
	"io/fs"

	"auditbridge/config"
	"auditbridge/internal/durable"
)

// configurationFile, in state-dir, holds the values that were last in force, so
// that the next start can put on record what was changed while nothing ran.
const configurationFile = "configuration.json"

// noteChangesSince puts on record what is different from the configuration that
// was last in force.
func (d *daemon) noteChangesSince() {
	before, err := d.rememberedConfiguration()
	if err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.log.Warn("what has changed in the configuration since the last start is not known", "error", err)
		}
		return
	}
	for _, c := range config.Changes(before, d.now.Load().Effective()) {
		d.journal.Note(changeNote(c, "start"))
	}
}

func (d *daemon) rememberedConfiguration() (values []config.Value, err error) {
	dir, err := durable.OpenDir(d.cfg.StateDir, 0, -1)
	if err != nil {
		return nil, err
	}
	defer dir.Close()
	text, err := durable.Read(dir, configurationFile, 4<<20)
	if err == nil {
		err = json.Unmarshal(text, &values)
	}
	return values, err
}

// rememberConfiguration keeps what is in force now.
func (d *daemon) rememberConfiguration() {
	values := d.now.Load().Effective()
	for i := range values {
		values[i].Origin, values[i].Default = "", ""
	}
	text, err := json.MarshalIndent(values, "", " ")
	var dir durable.Dir
	if err == nil {
		dir, err = durable.OpenDir(d.cfg.StateDir, 0, -1)
	}
	if err == nil {
		defer dir.Close()
		err = durable.Create(dir, configurationFile, text, 0o600, -1)
	}
	if err != nil {
		d.log.Warn("the configuration in force is not remembered for the next start", "error", err)
	}
}
