package metrics

import (
	"bytes"
	"flag"
	"fmt"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/client_golang/prometheus/testutil/promlint"
)

var update = flag.Bool("update", false, "write the table of the document anew")

const page, heading = "../../docs/metrics.md", "\n## All there are\n\n"

// The table of docs/metrics.md is the table of the code: a name that changes
// shows in the document, and here.
func TestDocument(t *testing.T) {
	text, err := os.ReadFile(page)
	if err != nil {
		t.Fatal(err)
	}
	before, after, _ := strings.Cut(string(text), heading)
	want := "| metric | labels | type | `status --json` | says |\n|---|---|---|---|---|\n"
	for _, m := range table {
		want += fmt.Sprintf("| `%s` | %s | %s | `%s` | %s |\n", m.name, strings.Join(m.labels, " "), m.kind, m.json, m.help)
	}
	if *update {
		after = want
		if err := os.WriteFile(page, []byte(before+heading+want), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if diff := cmp.Diff(want, after); diff != "" {
		t.Errorf("-code +document\n%s", diff)
	}
}

// The names are as Prometheus wants names.
func TestNamesAreGood(t *testing.T) {
	problems, err := promlint.New(bytes.NewReader(appendAll(nil, example()))).Lint()
	if err != nil {
		t.Fatal(err)
	}
	for _, p := range problems {
		t.Errorf("%s: %s", p.Metric, p.Text)
	}
}
