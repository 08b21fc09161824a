package tlslink

import (
	"bytes"
	"crypto/x509/pkix"
	"os/exec"
	"strings"
	"testing"
)

// Stock openssl understands every kind of request, and finds in it what it is to
// hold.
func TestRequestsThatOpenSSLReads(t *testing.T) {
	t.Parallel()
	for _, kind := range KeyKinds {
		t.Run(kind, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			key, err := NewKey(kind)
			if err != nil {
				t.Fatal(err)
			}
			request, fingerprint, err := Request(s.write("key", key, 0o600), pkix.Name{CommonName: "a.example.org", Organization: []string{"Example"}, Country: []string{"CH"}}, []string{"a.example.org", "2001:db8::1"})
			if err != nil || !strings.HasPrefix(fingerprint, "SHA256:") {
				t.Fatal(fingerprint, err)
			}
			cmd := exec.Command("openssl", "req", "-verify", "-noout", "-text")
			cmd.Stdin = bytes.NewReader(request)
			out, err := cmd.CombinedOutput()
			if err != nil {
				t.Fatalf("%v: %s", err, out)
			}
			for _, want := range []string{"verify OK", "CN = a.example.org", "O = Example", "C = CH", "DNS:a.example.org, IP Address:2001:DB8:0:0:0:0:0:1", "Digital Signature", "TLS Web Client Authentication"} {
				if !strings.Contains(string(out), want) {
					t.Errorf("want %q in\n%s", want, out)
				}
			}
		})
	}
	if _, err := NewKey("dsa"); err == nil {
		t.Error("any kind of key is made")
	}
}
