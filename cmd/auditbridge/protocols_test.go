package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// spoken is plain by another protocol.
func spoken(protocol string, port int, more ...string) string {
	return strings.Replace(plain(protocol, port, more...), `protocol = "tcp"`, fmt.Sprintf("protocol = %q", protocol), 1)
}

// One ship, confined and without rights, sends by every protocol at once: it has what
// it needs for each, and status says what each promises.
func TestShipSpeaksEveryProtocol(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	udp, relp, auditd := peertest.StartUDP(t), peertest.StartRELP(t), peertest.StartAuditdReceiver(t, "64m", "")
	var mu sync.Mutex
	var posted strings.Builder
	web := httptest.NewUnstartedServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		body, _ := io.ReadAll(r.Body)
		mu.Lock()
		defer mu.Unlock()
		fmt.Fprintf(&posted, "%s\n%s", r.Header.Get("Authorization"), body)
	}))
	web.TLS = &tls.Config{Certificates: []tls.Certificate{ca.Server(nil, "127.0.0.1").TLS()}, ClientAuth: tls.RequireAndVerifyClientCert, ClientCAs: x509.NewCertPool()}
	web.TLS.ClientCAs.AppendCertsFromPEM(ca.PEM())
	web.StartTLS()
	t.Cleanup(web.Close)

	d := newDaemon(t, "")
	token := filepath.Join(d.dir, "token")
	must(t, os.WriteFile(token, []byte("s3cret\n"), 0o600))
	must(t, os.Chown(token, 65534, 65534))
	d.configure(fromStdin + spoken("udp", udp.Port) + spoken("relp", relp.Port) + spoken("auditd", auditd.Port) +
		spoken("https", web.Listener.Addr().(*net.TCPAddr).Port, `compression = "none"`, fmt.Sprintf("token-file = %q", token), d.tlsFiles(ca, ca.Client("ship", nil))))
	d.start()
	d.feed(mixed)
	for name, received := range map[string]func() string{
		"udp":    func() string { return strings.Join(udp.Received(), "\n") },
		"relp":   func() string { return strings.Join(relp.Received(), "\n") },
		"auditd": func() string { return strings.Join(auditd.Received(), "\n") },
		"https": func() string {
			mu.Lock()
			defer mu.Unlock()
			return posted.String()
		},
	} {
		peertest.Until(t, "everything has come by "+name, func() bool {
			text := received()
			return strings.Contains(text, "mallory") && strings.Contains(text, "NEWER_THAN_WE")
		})
	}
	if mu.Lock(); !strings.HasPrefix(posted.String(), "Bearer s3cret\n{\"time\":") {
		t.Errorf("what was posted begins with %.100q", posted.String())
	}
	mu.Unlock()
	want := map[string]string{"udp": "best effort", "relp": "acknowledged", "auditd": "acknowledged", "https": "acknowledged"}
	d.until("all are delivered to, and say what that means", func(s status.Status) bool {
		for _, to := range s.Destinations {
			if to.Promise != want[to.Protocol] || !to.Connected || to.Delivered == 0 || to.Pending > 0 && to.Promise == "acknowledged" {
				return false
			}
		}
		return len(s.Destinations) == len(want)
	})
	d.stop()
}
