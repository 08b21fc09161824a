package tunnel

import (
	"bytes"
	"crypto/ed25519"
	"net"
	"os"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

func hashed(host string) string { return knownhosts.HashHostname(host) }

// Whatever stands in the file, a key passes only if the file holds it, and a
// kind of key is asked for only if it is one we use.
func FuzzKnownHosts(f *testing.F) {
	key, err := ssh.NewPublicKey(ed25519.NewKeyFromSeed(make([]byte, ed25519.SeedSize)).Public())
	if err != nil {
		f.Fatal(err)
	}
	stored := bytes.Fields(ssh.MarshalAuthorizedKey(key))[1]
	line := knownhosts.Line([]string{"siem.example:2222"}, key) + "\n"
	for _, seed := range []string{"", "# nothing\n", line, "@revoked * " + line[len("[siem.example]:2222 "):], "@cert-authority " + line,
		"* " + line[len("[siem.example]:2222 "):], "!siem.example," + line, hashed("[siem.example]:2222") + line[len("[siem.example]:2222"):],
		"|1|x|y ssh-ed25519 AAAA\n", "[::1 ssh-rsa AAAA\n"} {
		f.Add([]byte(seed))
	}
	path := filepath.Join(f.TempDir(), "known_hosts")
	f.Fuzz(func(t *testing.T, text []byte) {
		if err := os.WriteFile(path, text, 0o600); err != nil {
			t.Fatal(err)
		}
		h, err := readHostKeys(path, "siem.example:2222", Modern)
		if err != nil {
			if _, ok := err.(hinter); !ok {
				t.Fatalf("%v (%T) has no hint", err, err)
			}
			return
		}
		for _, algorithm := range h.algorithms {
			if !used(algorithm) {
				t.Fatalf("asks for %s", algorithm)
			}
		}
		if h.verify("", &net.TCPAddr{}, key) == nil && !bytes.Contains(bytes.ReplaceAll(text, []byte{0x0d}, nil), stored) { // base64 skips it
			t.Fatalf("accepts a key that %q does not hold", text)
		}
	})
}

func used(algorithm string) bool {
	for _, algorithms := range signsWith {
		for _, a := range algorithms {
			if a == algorithm {
				return true
			}
		}
	}
	return false
}
