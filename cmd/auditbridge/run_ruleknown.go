package main

import (
	"errors"
	"io/fs"
	"path/filepath"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"

	"golang.org/x/sys/unix"
)

// knownRulesFile, in state-dir, holds what run knows of the rule files and of what
// was loaded, so that the next start can put on record what was changed while nothing
// ran, and does not take it for nothing that the latter is gone.
const knownRulesFile = "rules.json"

// mostKnownRules bounds it; a single rule file may have 16 MiB.
const mostKnownRules = 256 << 20

// knownRules is what it holds: texts of files, which need not be UTF-8.
type knownRules struct {
	Files  map[string][]byte `json:"files"`
	Loaded []byte            `json:"loaded,omitempty"` // rules.LoadedFile; nil: nothing was ever loaded
}

// Why a file is put on record, when it is not because it was seen to change.
const (
	whileAway     = "changed while not running"
	notKnownSince = "what it was before is not known"
	whatIsLoaded  = "what was loaded"
)

// lookBack puts on record what has changed since run knew it last, and goes on from
// what there is now. At the very first start that is nothing.
func (g *ruleGuard) lookBack() {
	var known knownRules
	err := durable.Left(g.stateDir, knownRulesFile, mostKnownRules, &known)
	why := whileAway
	switch {
	case errors.Is(err, fs.ErrNotExist) && !g.ranBefore:
		g.files.texts = g.files.textsNow()
	case err != nil:
		why = notKnownSince
		g.log.Warn("what has changed in the audit rules since the last start is not known", "err", err)
		g.note(auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "rule-file",
			auditbridge.Text("file", filepath.Join(g.stateDir, knownRulesFile)), auditbridge.Text("exe", "?"), auditbridge.Text("why", why), auditbridge.Text("reason", brief(err.Error()))))
	}
	for name, text := range known.Files {
		g.files.texts[name] = string(text)
	}
	g.text = known.Loaded
	if g.lookAtFiles(why) || err != nil {
		g.remember()
	}
}

// remember keeps what is known now. It comes after what is put on record of it.
func (g *ruleGuard) remember() {
	known := knownRules{Files: map[string][]byte{}, Loaded: g.text}
	for name, text := range g.files.texts {
		known.Files[name] = []byte(text)
	}
	if err := durable.Leave(g.stateDir, 0, knownRulesFile, known); err != nil {
		g.log.Warn("the audit rule files are not remembered for the next start", "err", err)
	}
}

// foundFields say of a file that was found changed what can still be told: why only
// now, to whom it belongs, when it was written.
func foundFields(name, why string) []auditbridge.Field {
	fields := []auditbridge.Field{auditbridge.Text("why", why)}
	var is unix.Stat_t
	if unix.Stat(name, &is) == nil {
		fields = append(fields, auditbridge.Number("ouid", is.Uid),
			auditbridge.Text("mtime", time.Unix(is.Mtim.Unix()).UTC().Format(wallTime)))
	}
	return fields
}
