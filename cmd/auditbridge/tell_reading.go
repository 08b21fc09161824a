package main

import (
	"context"
	"errors"
	"os"
	"path/filepath"
	"strings"

	"auditbridge/config"
	"auditbridge/internal/control"

	"github.com/spf13/cobra"
)

// tellReading has run put on record that this command reads the journal, when
// one of paths is the configured one or in it. One record a command: what it
// reads is not repeated there. Nothing is said where run is not alive, and a
// journal is read all the same where run cannot be told: a disk full of
// evidence must not be kept from who examines it.
func tellReading(cmd *cobra.Command, paths []string) {
	c, err := config.Load(configFile(cmd))
	if err != nil && !onlyMissing(err) || !within(c.JournalDir, paths) {
		return
	}
	limited, cancel := context.WithTimeout(cmd.Context(), answerWait)
	defer cancel()
	var done bool
	err = control.Ask(limited, c.ControlSocket(), askReading, reading{With: strings.TrimPrefix(cmd.CommandPath(), "auditbridge ")}, &done)
	if err != nil && !errors.Is(err, control.ErrNotRunning) && !errors.Is(err, os.ErrPermission) {
		newLogger(cmd.ErrOrStderr()).Warn("that the journal is read is not on record", "error", err)
	}
}

// within reports whether one of paths is dir or lies in it, whatever links lead
// there.
func within(dir string, paths []string) bool {
	journal, err := os.Stat(dir)
	if err != nil {
		return false
	}
	for _, path := range paths {
		real, err := filepath.EvalSymlinks(path)
		if err != nil {
			continue
		}
		for _, place := range []string{real, filepath.Dir(real)} {
			if info, err := os.Stat(place); err == nil && os.SameFile(info, journal) {
				return true
			}
		}
	}
	return false
}
