package retention

import (
	"encoding/json"
	"fmt"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/journal"
)

// state is what a Keeper must know after a crash.
type state struct {
	Clock   Clock                `json:"clock"`
	Journal string               `json:"journal"` // whose segments Doomed speaks of
	Doomed  auditbridge.Sequence `json:"doomed"`  // up to here all was decided to go
	closings
}

// stateFile holds a state in state-dir.
const stateFile = "retention"

const stateVersion = 1

var stateMagic = [8]byte{'a', 'b', 'r', 'e', 't', 'a', 'i', 'n'}

// openState opens the state of the journal named id, an empty one when there is
// none or it is another journal's; the clock is the host's either way.
func openState(dir string, id journal.ID) (*durable.Slots, state, error) {
	fresh := state{Journal: id.String()}
	d, err := durable.OpenDir(dir, 0o700, -1)
	if err != nil {
		return nil, fresh, fmt.Errorf("open retention's state: %w", err)
	}
	defer d.Close()
	slots, err := durable.OpenSlots(d, stateFile, stateMagic, stateVersion, 0o600, -1)
	if err != nil {
		return nil, fresh, fmt.Errorf("open retention's state: %w", err)
	}
	var s state
	if text := slots.State(); text != nil {
		if err := json.Unmarshal(text, &s); err != nil {
			slots.Close()
			return nil, fresh, fmt.Errorf("open retention's state: %s/%s: %w", dir, stateFile, err)
		}
	}
	if s.Journal != fresh.Journal {
		fresh.Clock = s.Clock
		s = fresh
	}
	return slots, s, nil
}
