package seal

import (
	"os"
	"regexp"
	"strings"
	"testing"
)

// TestTheDocumentsExample reads docs/format/seal.md and holds us to it.
func TestTheDocumentsExample(t *testing.T) {
	text, err := os.ReadFile("../docs/format/seal.md")
	if err != nil {
		t.Fatal(err)
	}
	_, rest, _ := strings.Cut(string(text), "```seal\n")
	example, rest, found := strings.Cut(rest, "```")
	if !found {
		t.Fatal("no example in the document")
	}
	key, err := ParsePublicKey(regexp.MustCompile(`first key is ` + "`(.*)`").FindStringSubmatch(rest)[1])
	if err != nil {
		t.Fatal(err)
	}
	known, err := ParseCheckpoint(regexp.MustCompile(`(?s)last checkpoint.*?` + "is `([0-9]+:.*?)`").FindStringSubmatch(rest)[1])
	if err != nil {
		t.Fatal(err)
	}
	lines := strings.Split(strings.TrimSuffix(example, "\n"), "\n")
	got := verify(Options{Own: true, First: 1, Keys: []PublicKey{key}, Known: []Checkpoint{known}}, lines...)
	c := got.Chains[0]
	if !got.OK() || len(lines) != 9 || c.Blocks != 3 || c.Checkpoints != 2 || c.KeyChanges != 1 || c.SealedTo != 8 || c.Tail != 1 || c.Checkpoint.Hash != known.Hash {
		t.Errorf("%s: %+v", got.Summary(), *c)
	}
	for i := range lines[:8] {
		if got := verify(Options{Keys: []PublicKey{key}}, replaced(lines, i, lines[i]+" ")...); got.OK() && got.Chains[0].SealedTo == 8 && got.Chains[0].Leading == 0 {
			t.Errorf("line %d changed: %s", i+1, got.Summary())
		}
	}
}
