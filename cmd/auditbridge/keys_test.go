package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
)

// TestKeysAreOnRecord: FAU_GEN.1.1c, the signing key by its public half when it
// is made, when the next takes over, and when it was lost.
func TestKeysAreOnRecord(t *testing.T) {
	beside(t)
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

// The keys by which we are known, and by which we know a server, are on record when
// they are replaced, while we run and while we do not.
func TestAForwardingsKeysAreOnRecord(t *testing.T) {
	t.Parallel()
	t.Run("T-GEN-KEY", func(t *testing.T) {
		dir := t.TempDir()
		identity, known := filepath.Join(dir, "id"), filepath.Join(dir, "known_hosts")
		newKey := func(name string) (fingerprint string) {
			os.Remove(name)
			peertest.Keygen(t, name, "ed25519")
			return strings.Fields(command(t, "ssh-keygen", "-lf", name))[1]
		}
		newHost := func() string {
			fingerprint := newKey(filepath.Join(dir, "host"))
			must(t, os.WriteFile(known, []byte(peertest.KnownHostsLine(t, 9, filepath.Join(dir, "host.pub"))), 0o644))
			return fingerprint
		}
		ours, theirs := newKey(identity), newHost()
		d := newDaemon(t, fmt.Sprintf("%s[[port-forwarding]]\nname = \"tunnel\"\nserver-address = \"127.0.0.1\"\nserver-port = 9\nidentity-file = %q\nknown-hosts = %q\n", fromStdin, identity, known))
		d.start()
		next := newHost()
		d.onRecord("op=config ", "why=files key=port-forwarding[tunnel].known-hosts.holds ", theirs, next)
		d.stop()
		second := newKey(identity)
		d.start()
		d.onRecord("op=config ", "why=start key=port-forwarding[tunnel].identity-file.holds ", ours, second)
		must(t, os.Remove(identity))
		d.onRecord("op=config ", "why=files key=port-forwarding[tunnel].identity-file.holds ", second)
	})
}
