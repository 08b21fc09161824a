//go:build corpora

package ecs

import (
	"bytes"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/auditbridge"
)

// TestCorporaAgainstGoLibaudit compares category, type and outcome of every
// event of AUDITBRIDGE_CORPORA with what go-libaudit v2.6.2 made of it. Every
// difference stands in testdata/differences.txt with its reason, and every row
// there occurs. Where go-libaudit says nothing there is nothing to compare. And
// of no event anything is lost.
// `make corpora` runs it.
func TestCorporaAgainstGoLibaudit(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	listed := differences(t)
	seen := map[string]bool{}
	oracles, err := filepath.Glob(filepath.Join(root, "oracle/go-libaudit-v2.6.2/*.jsonl"))
	if err != nil || len(oracles) == 0 {
		t.Fatalf("no oracle under %q: %v", root, err)
	}
	events := 0
	for _, oracle := range oracles {
		theirs := readOracle(t, oracle)
		name := strings.TrimSuffix(filepath.Base(oracle), ".jsonl")
		log, err := os.ReadFile(filepath.Join(root, "audit-logs", strings.ReplaceAll(name, "__", "/")))
		if err != nil {
			t.Fatal(err)
		}
		for _, row := range compare(t, log, theirs, &events) {
			seen[row] = true
			if !listed[row] {
				t.Errorf("%s: not listed: %s", name, row)
			}
		}
	}
	for row := range listed {
		if !seen[row] {
			t.Errorf("listed, and does not occur: %s", row)
		}
	}
	if events < 3000 {
		t.Errorf("only %d events were compared", events)
	}
}

// judged is one event as go-libaudit sees it.
type judged struct {
	Timestamp string `json:"ts"`
	Sequence  uint32 `json:"seq"`
	Type      string
	Result    string
	ECS       struct{ Category, Type []string }
}

func readOracle(t *testing.T, path string) map[string]judged {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	all := map[string]judged{}
	for line := range bytes.Lines(text) {
		var j judged
		if err := json.Unmarshal(line, &j); err != nil {
			t.Fatal(err)
		}
		if j.Type != "" {
			all[fmt.Sprintf("%s:%d", j.Timestamp, j.Sequence)] = j
		}
	}
	return all
}

// compare returns the rows of the differences in one log.
func compare(t *testing.T, log []byte, theirs map[string]judged, count *int) (rows []string) {
	var w Writer
	done := map[string]bool{}
	events(log, func(e *auditbridge.Event, v *auditbridge.Verdict) {
		check(t, e, v)
		id := fmt.Sprintf("%d.%03d:%d", e.ID.Seconds, e.ID.Millis, e.ID.Serial)
		j, ok := theirs[id]
		if !ok || done[id] || e.End == auditbridge.EndMalformed {
			return
		}
		done[id] = true
		*count++
		all := flat(t, w.AppendEvent(nil, e, v))
		their := strings.Join(j.ECS.Category, " ") + " / " + strings.Join(j.ECS.Type, " ")
		if our := all["event.category"] + " / " + all["event.type"]; len(j.ECS.Category) > 0 && our != their {
			rows = append(rows, fmt.Sprintf("%s | %s | %s", j.Type, their, our))
		}
		result := map[string]string{"success": "success", "fail": "failure"}[j.Result]
		if our := all["event.outcome"]; result != "" && our != result {
			rows = append(rows, fmt.Sprintf("%s | %s | %s", j.Type, result, our))
		}
	})
	return rows
}

// differences reads TYPE | theirs | ours | why.
func differences(t *testing.T) map[string]bool {
	t.Helper()
	text, err := os.ReadFile("testdata/differences.txt")
	if err != nil {
		t.Fatal(err)
	}
	rows := map[string]bool{}
	for line := range strings.Lines(string(text)) {
		row, why, ok := cutLast(strings.TrimSpace(line), " | ")
		switch {
		case line == "\n" || line[0] == '#':
		case !ok || why == "":
			t.Errorf("no reason in %q", line)
		default:
			rows[row] = true
		}
	}
	return rows
}

func cutLast(s, sep string) (before, after string, ok bool) {
	i := strings.LastIndex(s, sep)
	if i < 0 {
		return s, "", false
	}
	return s[:i], s[i+len(sep):], true
}
