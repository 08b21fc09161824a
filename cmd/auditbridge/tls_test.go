package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
)

// tlsFiles are a destination's certificates where ship may read them.
func (d *instance) tlsFiles(ca, own *peertest.Identity) (keys string) {
	d.t.Helper()
	dir := filepath.Join(d.dir, "tls")
	must(d.t, os.MkdirAll(dir, 0o755))
	anchors, _ := ca.Write(dir, "ca")
	must(d.t, os.Remove(strings.TrimSuffix(anchors, ".pem")+".key"))
	keys = fmt.Sprintf("ca-file = %q\nocsp = \"off\"\n", anchors)
	if own != nil {
		cert, key := own.Write(dir, "client")
		must(d.t, os.Chown(key, 65534, 65534))
		keys += fmt.Sprintf("certificate-file = %q\nkey-file = %q\n", cert, key)
	}
	return keys
}

// inTLS is a destination spoken to in TLS, which is what an address alone means.
func inTLS(name string, port int, more ...string) string {
	return strings.Replace(plain(name, port, more...), "protocol = \"tcp\"\n", "", 1)
}

// TestTLSHides: what goes to a stock rsyslog in TLS is all there, and not to be
// read on the way (T-STG-AUTO's second transport); ship, confined and without
// rights, has what it needs for that and both know who the other is.
func TestTLSHides(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	far := peertest.StartRsyslogTLS(t, ca, ca.CA("Between", nil).Server(nil, "127.0.0.1"), "client.example.org")
	wire := startWiretap(t, far.Port)
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("siem", wire.port, `format = "audit"`, d.tlsFiles(ca, ca.Client("client.example.org", nil))))
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	d.stop()
	d.untilReceived(far)
	requireSameLines(t, d.journalLines(), far.Received())
	for _, word := range []string{"mallory", "type=USER_LOGIN", "auditbridge@"} {
		if seen := wire.seen(); len(seen) == 0 || strings.Contains(seen, word) {
			t.Errorf("%d bytes passed the wire, %q among them: %v", len(seen), word, len(seen) > 0)
		}
	}
}
