package watch

import (
	"fmt"

	"auditbridge/internal/boot"
	"auditbridge/internal/durable"
)

// Known is what of a Memory the next watch of this boot goes on with: else whoever
// ends a watch right after he has deleted the rules would have the next one say that
// all is well.
type Known struct {
	Lost     uint32 `json:"lost"`     // the kernel's count
	Features uint32 `json:"features"` // that were on
	Rules    int    `json:"rules"`    // as many as there are meant to be
	Owned    bool   `json:"owned"`    // the kernel's audit had an owner
	Holder   Holder `json:"holder"`   // who that was last that had a right to be, beside us
}

// Holder is the process that has the kernel's audit.
type Holder struct {
	PID     int    `json:"pid"`
	Started string `json:"started"` // tells it from a later process of that pid
	Program string `json:"program"` // the file that it runs; "" when nobody is known
}

// Known is what there is to go on with; ok is false before the kernel has answered.
func (m *Memory) Known() (k Known, ok bool) { return m.known, m.begun }

// GoOn remembers what another watch knew.
func (m *Memory) GoOn(k Known) { m.known, m.begun = k, true }

const (
	knownFile = "watch-known.json" // in run-dir
	mostKnown = 16 << 10           // a path may be long
)

// keptKnown is Known with the boot that it is of: the next one begins anew.
type keptKnown struct {
	Boot string `json:"boot"`
	Known
}

// keep leaves it for the next watch.
func (k Known) keep(runDir string) error {
	id, err := boot.ID()
	if err != nil {
		return err
	}
	return durable.Leave(runDir, 0o755, knownFile, keptKnown{id, k})
}

// readKnown is what a watch before us in this boot knew.
func readKnown(runDir string) (k Known, err error) {
	id, err := boot.ID()
	if err != nil {
		return k, err
	}
	var kept keptKnown
	if err := durable.Left(runDir, knownFile, mostKnown, &kept); err != nil {
		return k, fmt.Errorf("%s/%s: %w", runDir, knownFile, err)
	}
	if kept.Boot != id {
		return k, fmt.Errorf("%s/%s is of another boot", runDir, knownFile)
	}
	return kept.Known, nil
}
