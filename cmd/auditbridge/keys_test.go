package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// TestKeysAreOnRecord: FAU_GEN.1.1c, the signing key by its public half when it
// is made, when the next takes over, and when it was lost.
func TestKeysAreOnRecord(t *testing.T) {
	t.Run("T-GEN-KEY", func(t *testing.T) {
		d := newDaemon(t, fromStdin)
		d.start()
		d.stop()
		d.start()
		d.stop()
		keys, err := filepath.Glob(filepath.Join(d.dir, "state", "*key*"))
		must(t, err)
		if len(keys) == 0 {
			t.Fatal("there is no key to lose")
		}
		for _, name := range keys {
			must(t, os.Remove(name))
		}
		d.start()
		d.stop()
		said := regexp.MustCompile(`op=open .* key=([a-z-]+) `)
		signed := regexp.MustCompile(` key=(ed25519:[A-Za-z0-9_-]{43}) sig=`)
		var words, signers []string
		for _, line := range d.journalLines() {
			if m := said.FindStringSubmatch(line); m != nil {
				words = append(words, m[1])
			}
			if m := signed.FindStringSubmatch(line); m != nil && (len(signers) == 0 || signers[len(signers)-1] != m[1]) {
				signers = append(signers, m[1])
			}
		}
		if got := strings.Join(words, " "); got != "first changed lost-new-chain" {
			t.Errorf("on record: %s", got)
		}
		if len(signers) < 3 {
			t.Errorf("the journal names the keys %v", signers)
		}
		for _, next := range signers[1 : len(signers)-1] {
			if !strings.Contains(strings.Join(d.journalLines(), "\n"), " next="+next+" ") {
				t.Errorf("no checkpoint announces %s", next)
			}
		}
	})
}
