package summary

import (
	"bytes"
	"maps"
	"slices"
	"testing"

	"github.com/elastic/go-libaudit/v2/aucoalesce"
	"github.com/elastic/go-libaudit/v2/auparse"
)

// Our sentences say what go-libaudit's normalisation says of the same log, but
// for differences that are listed with their reason.
func TestGoLibauditAgrees(t *testing.T) {
	same, found, compared := readMeanings(t), map[string]string{}, 0
	for _, log := range logs(t) {
		compared += collect("go-libaudit", coalesce(log), tell(log), same, found)
	}
	if compared < 100 {
		t.Errorf("compared %d events", compared)
	}
	judge(t, "go-libaudit", found)
}

// coalesce has go-libaudit normalise a log. It fails on events of which it knows
// no type, and on some with one odd record.
func coalesce(log []byte) (all []opinion) {
	groups := map[eventKey][]*auparse.AuditMessage{}
	for line := range bytes.Lines(log) {
		if m, err := auparse.ParseLogLine(string(bytes.TrimSpace(line))); err == nil {
			key := eventKey{"", m.Timestamp.UnixMilli(), int64(m.Sequence)}
			groups[key] = append(groups[key], m)
		}
	}
	for _, key := range slices.SortedFunc(maps.Keys(groups), func(a, b eventKey) int { return int(a.serial - b.serial) }) {
		e, err := aucoalesce.CoalesceMessages(groups[key])
		if err != nil {
			continue
		}
		all = append(all, opinion{
			event: eventKey{"", e.Timestamp.Unix(), int64(e.Sequence)}, kind: e.Type.String(),
			actor: idOf(e.Summary.Actor.Primary), as: idOf(e.Summary.Actor.Secondary), action: e.Summary.Action,
			object: objectOf(e.Summary.Object.Primary), how: e.Summary.How, end: resultWord(e.Result),
		})
	}
	return all
}
