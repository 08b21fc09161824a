package main

import (
	"errors"
	"io/fs"

	"auditbridge/config"
	"auditbridge/internal/durable"
)

// mostState bounds what run has left of itself in one file, in bytes.
const mostState = 4 << 20

// configurationFile, in state-dir, holds the values that were last in force, so
// that the next start can put on record what was changed while nothing ran.
const configurationFile = "configuration.json"

// noteChangesSince puts on record what is different from the configuration that
// was last in force.
func (d *daemon) noteChangesSince() {
	var before []config.Value
	if err := durable.Left(d.cfg.StateDir, configurationFile, mostState, &before); err != nil {
		if !errors.Is(err, fs.ErrNotExist) {
			d.log.Warn("what has changed in the configuration since the last start is not known", "error", err)
		}
		return
	}
	for _, c := range config.Changes(before, d.now.Load().Effective()) {
		d.journal.Note(changeNote(c, "start"))
	}
}

// rememberConfiguration keeps what is in force now.
func (d *daemon) rememberConfiguration() {
	values := d.now.Load().Effective()
	for i := range values {
		values[i].Origin, values[i].Default = "", ""
	}
	if err := durable.Leave(d.cfg.StateDir, 0, configurationFile, values); err != nil {
		d.log.Warn("the configuration in force is not remembered for the next start", "error", err)
	}
}

// versionFile, in state-dir, holds the version that last ran, so that an upgrade is
// on record whichever way it came about.
const versionFile = "version.json"

// previousVersion is what ran before; "" when that is not known.
func (d *daemon) previousVersion() (version string) {
	if err := durable.Left(d.cfg.StateDir, versionFile, mostState, &version); err != nil && !errors.Is(err, fs.ErrNotExist) {
		d.log.Warn("which version ran before is not known", "error", err)
	}
	return version
}

func (d *daemon) rememberVersion(version string) {
	if err := durable.Leave(d.cfg.StateDir, 0, versionFile, version); err != nil {
		d.log.Warn("the version is not remembered for the next start", "error", err)
	}
}
