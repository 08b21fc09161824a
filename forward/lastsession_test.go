package forward

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"auditbridge/forward/tlslink"

	"github.com/google/go-cmp/cmp"
)

// Until when a server's certificates are valid is known to whoever starts anew, be that
// run or ship, for as long as it is the same server that is meant, and there is one.
func TestTheLastSessionIsKept(t *testing.T) {
	dir := t.TempDir()
	siem := to(9)
	siem.Protocol, siem.TLS = ProtocolTLS, &tlslink.Config{Name: siem.Name, Address: siem.Address, Port: siem.Port, CAFile: "/ca.pem", OCSP: tlslink.OCSPOff}
	ends := time.Now().Add(time.Hour).UTC().Truncate(time.Second)
	had := &tlslink.Session{Version: "TLS 1.3", Cipher: "c", Server: &tlslink.ID{Subject: "CN=log", Issuer: "CN=Root", Serial: "1f", NotAfter: ends}, Expiring: &tlslink.ID{Subject: "CN=log", Issuer: "CN=Root", Serial: "1f", NotAfter: ends}}

	s, _ := bookkeeper(t, dir, siem)
	if got := s.Stats()["siem"].TLS; got != nil {
		t.Errorf("before the first: %+v", got)
	}
	if err := s.crews[0].follow(report{Relay: "siem", Stats: &Stats{Connected: true, TLS: had}}); err != nil {
		t.Fatal(err)
	}
	for _, next := range []string{"the next run", "its ship, which has had none yet"} {
		s, _ = bookkeeper(t, dir, siem)
		if next != "the next run" {
			if err := s.crews[0].follow(report{Relay: "siem", Stats: &Stats{}}); err != nil {
				t.Fatal(err)
			}
		}
		if diff := cmp.Diff(had, s.Stats()["siem"].TLS); diff != "" {
			t.Errorf("%s:\n%s", next, diff)
		}
	}

	other := siem
	other.Port++
	s.relays["siem"].meets(other)
	if got := s.Stats()["siem"].TLS; got != nil {
		t.Errorf("of another server: %+v", got)
	}
	s, _ = bookkeeper(t, dir, other)
	if got := s.Stats()["siem"].TLS; got != nil {
		t.Errorf("of another server, by the next run: %+v", got)
	}
	file := filepath.Join(dir, "relay-siem.tls")
	if _, err := os.Stat(file); err != nil {
		t.Error(err)
	}
	s, _ = bookkeeper(t, dir)
	if err := s.forgetRemoved(t.Context()); err != nil {
		t.Fatal(err)
	}
	if _, err := os.Stat(file); !os.IsNotExist(err) {
		t.Errorf("of no server any more: %v", err)
	}
}
