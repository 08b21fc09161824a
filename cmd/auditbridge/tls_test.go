package main

import (
	"crypto/tls"
	"crypto/x509"
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/forward/tlslink"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
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
	wire := peertest.StartProxy(t, fmt.Sprint("127.0.0.1:", far.Port))
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("siem", wire.Port, `format = "audit"`, d.tlsFiles(ca, ca.Client("client.example.org", nil))))
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	s, _ := d.status()
	to := s.Destinations[0]
	if to.TLS == nil || to.TLS.Server.Subject != "CN=log server" || to.TLS.Own == nil || to.TLS.Own.Subject != "CN=client.example.org" || to.TLS.Expiring == nil {
		t.Errorf("status does not know both ends: %+v", to.TLS)
	}
	d.stop()
	d.untilReceived(far)
	if up := d.recordsOf("link-up"); len(up) != 1 || !strings.Contains(up[0], `tls="TLS 1.3"`) || !strings.Contains(up[0], ` subject="CN=log server" issuer=CN=Between serial=`) {
		t.Errorf("link-up on record: %q", up)
	}
	requireSameLines(t, d.journalLines(), far.Received())
	for _, word := range []string{"mallory", "type=USER_LOGIN", "auditbridge@"} {
		if seen := wire.Seen(); len(seen) == 0 || strings.Contains(seen, word) {
			t.Errorf("%d bytes passed the wire, %q among them: %v", len(seen), word, len(seen) > 0)
		}
	}
}

// recordsOf are our own records of an op.
func (d *instance) recordsOf(op string) (found []string) {
	for _, line := range d.journalLines() {
		if strings.Contains(line, "): op="+op+" ") {
			found = append(found, line)
		}
	}
	return found
}

// evil is a TLS server that shows a certificate, and what is wrong with that.
type evil struct {
	fault    tlslink.Fault
	of       *peertest.Identity
	port     int
	listener net.Listener
}

func startEvil(t *testing.T, fault tlslink.Fault, shown tls.Certificate, of *peertest.Identity) evil {
	t.Helper()
	l, err := tls.Listen("tcp", "127.0.0.1:0", &tls.Config{Certificates: []tls.Certificate{shown}})
	must(t, err)
	t.Cleanup(func() { l.Close() })
	go func() {
		for {
			conn, err := l.Accept()
			if err != nil {
				return
			}
			go func() { io.Copy(io.Discard, conn); conn.Close() }()
		}
	}()
	return evil{fault, of, l.Addr().(*net.TCPAddr).Port, l}
}

// TestWhatIsWrongWithACertificateIsOnRecord: each kind of failure that FAU_GEN.1
// wants told apart, with the certificate it is about, in the journal and in
// status; and a name that does not fit with both identifiers.
func TestWhatIsWrongWithACertificateIsOnRecord(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	name := "127.0.0.1"
	below := func(change func(*x509.Certificate)) (between, leaf *peertest.Identity) {
		between = ca.CA("Between", change)
		return between, between.Server(nil, name)
	}
	noConstraints, a := below(func(c *x509.Certificate) { c.BasicConstraintsValid = false })
	noCA, b := below(func(c *x509.Certificate) { c.IsCA = false })
	expired := ca.Server(func(c *x509.Certificate) { c.NotAfter = time.Now().Add(-time.Minute) }, name)
	stranger := peertest.NewCA(t, "Another", nil).Server(nil, name)
	forged := ca.Server(nil, name)
	shown := forged.TLS()
	shown.Certificate = [][]byte{slices.Clone(shown.Certificate[0])}
	shown.Certificate[0][len(shown.Certificate[0])-1] ^= 1
	revoked, unknown := ca.CA("Listed", nil), ca.CA("Unlisted", nil)
	gone, silent := revoked.Server(nil, name), unknown.Server(nil, name)
	misnamed := ca.Server(nil, "other.example.org")
	d := newDaemon(t, "")
	keys := d.tlsFiles(ca, nil)
	lists := filepath.Join(d.dir, "tls", "crl.pem")
	must(t, os.WriteFile(lists, slices.Concat(ca.CRL(nil), revoked.CRL(nil, gone)), 0o644))
	servers := []evil{
		startEvil(t, tlslink.FaultUntrusted, stranger.TLS(), stranger),
		startEvil(t, tlslink.FaultExpired, expired.TLS(), expired),
		startEvil(t, tlslink.FaultNoConstraints, a.TLS(), noConstraints),
		startEvil(t, tlslink.FaultNotCA, b.TLS(), noCA),
		startEvil(t, tlslink.FaultBadSignature, shown, forged),
		startEvil(t, tlslink.FaultUnknownStatus, silent.TLS(), silent),
		startEvil(t, tlslink.FaultRevoked, gone.TLS(), gone),
		startEvil(t, tlslink.FaultNameMismatch, misnamed.TLS(), misnamed),
	}
	settings := fromStdin
	for i, s := range servers {
		settings += inTLS(string(s.fault), s.port, keys)
		if i >= 5 && i <= 6 {
			settings += fmt.Sprintf("crl-file = %q\n", lists)
		}
	}
	d.configure(settings)
	d.start()
	d.feed(mixed)
	t.Run("T-GEN-CERTREASON", func(t *testing.T) {
		told := func(s evil) string {
			for _, line := range d.recordsOf("link-down") {
				if strings.Contains(line, " fault="+string(s.fault)+" ") {
					return line
				}
			}
			return ""
		}
		for _, s := range servers {
			peertest.Until(t, string(s.fault)+" is on record", func() bool { return told(s) != "" })
			line := told(s)
			for _, want := range []string{" relay=" + string(s.fault) + " ", " serial=" + s.of.Cert.SerialNumber.Text(16), "issuer=", "subject=", "res=failed"} {
				if !strings.Contains(line, want) {
					t.Errorf("%s: want %s", line, want)
				}
			}
			if s.fault == tlslink.FaultNameMismatch && !(strings.Contains(line, "other.example.org") && strings.Contains(line, " reference=127.0.0.1")) {
				t.Errorf("%s: want both identifiers", line)
			}
		}
	})
	peertest.Until(t, "status has each", func() bool {
		s, ok := d.status()
		return ok && !slices.ContainsFunc(s.Destinations, func(to status.Destination) bool {
			return to.Connected || to.Delivered != 0 || !strings.Contains(to.LastError, ": "+to.Name+": ") || to.Hint == ""
		})
	})
	d.stop()
}

// TestTrustAnchorsAreOnRecord: which root is believed changes by the file alone,
// at once; who comes and who goes is on record by name, and the destination is
// connected anew.
func TestTrustAnchorsAreOnRecord(t *testing.T) {
	t.Parallel()
	old, renewed := peertest.NewCA(t, "Old root", nil), peertest.NewCA(t, "New root", nil)
	far := peertest.StartRsyslogTLS(t, renewed, renewed.Server(nil, "127.0.0.1"), "")
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("siem", far.Port, `format = "audit"`, d.tlsFiles(old, nil)))
	d.start()
	d.feed(mixed)
	peertest.Until(t, "the new root is a stranger", func() bool { return len(d.recordsOf("link-down")) > 0 })
	t.Run("T-GEN-ANCHOR", func(t *testing.T) {
		next := filepath.Join(d.dir, "tls", "next")
		must(t, os.WriteFile(next, renewed.PEM(), 0o644))
		must(t, os.Rename(next, filepath.Join(d.dir, "tls", "ca.pem")))
		for _, root := range []*peertest.Identity{old, renewed} {
			peertest.Until(t, root.Cert.Subject.String()+" is on record", func() bool {
				return slices.ContainsFunc(d.recordsOf("config"), func(line string) bool {
					return strings.Contains(line, "ca-file[") && strings.Contains(line, root.Cert.Subject.String()) && strings.Contains(line, root.Cert.SerialNumber.Text(16))
				})
			})
		}
	})
	d.untilDelivered()
	d.stop()
	d.untilReceived(far)
}

// TestSkippedChecksAreLoud: what a laboratory may leave out is said by check, in
// status, and by an alarm that goes to every destination.
func TestSkippedChecksAreLoud(t *testing.T) {
	t.Parallel()
	ca, other := peertest.NewCA(t, "Root", nil), peertest.NewCA(t, "Other", nil)
	far := peertest.StartRsyslogTLS(t, other, other.Server(nil, "other.example.org"), "")
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("lab", far.Port, `format = "audit"`, "skip-certificate-check = true\n"+d.tlsFiles(ca, nil)))
	stdout, _, code := auditbridgeCommand(t, "check", "--config", d.config)
	if code != 0 || !strings.Contains(stdout, "whoever answers") {
		t.Errorf("check: %d\n%s", code, stdout)
	}
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	peertest.Until(t, "there is an alarm", func() bool {
		s, ok := d.status()
		return ok && slices.ContainsFunc(s.Alarms, func(a status.Alarm) bool { return a.ID == "server-unchecked" && a.Object == "lab" })
	})
	text, _, _ := auditbridgeCommand(t, "status", "--config", d.config)
	if !strings.Contains(text, "NOT CHECKED: the server's certificate") {
		t.Errorf("status:\n%s", text)
	}
	d.stop()
	d.untilReceived(far)
	if !slices.ContainsFunc(d.recordsOf("alarm-raised"), func(line string) bool { return strings.Contains(line, "alarm=server-unchecked") }) {
		t.Error("the alarm is not on record")
	}
}

// From nothing to mutual authentication: csr makes the key and the request, an
// authority signs it, and a stock rsyslog that wants exactly that name lets us in.
// The key is the sender's alone, and on record by its public half.
func TestCertificateIsAskedFor(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	far := peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "127.0.0.1"), "audited.example.org")
	d := newDaemon(t, "")
	trust := d.tlsFiles(ca, nil)
	cert, key := filepath.Join(d.dir, "tls", "client.pem"), filepath.Join(d.dir, "tls", "client.key")
	d.configure(fromStdin + inTLS("siem", far.Port, `format = "audit"`, trust, fmt.Sprintf("certificate-file = %q\nkey-file = %q\n", cert, key)))
	d.unseeing()
	d.start()
	d.feed(mixed)
	request, stderr, code := auditbridgeCommand(t, "csr", "--config", d.config, "--cn", "audited.example.org", "--o", "Example", "--san", "audited.example.org", "--san", "192.0.2.1")
	if code != 0 || !strings.Contains(stderr, "SHA256:") {
		t.Fatalf("csr ends with %d: %s", code, stderr)
	}
	info, err := os.Stat(key)
	must(t, err)
	if owner := info.Sys().(*syscall.Stat_t).Uid; owner != 65534 || info.Mode().Perm() != 0o600 {
		t.Errorf("the key is uid %d's, mode %04o", owner, info.Mode().Perm())
	}
	if again, _, _ := auditbridgeCommand(t, "csr", "siem", "--config", d.config, "--cn", "x"); again == "" {
		t.Error("there is no request for the key there is")
	}
	d.onRecord("op=config ", fmt.Sprintf(" uid=%d ", os.Getuid()), " why=reload key=remote-logging-server[siem].key-file.holds ", "SHA256:")
	must(t, os.WriteFile(cert, ca.Sign([]byte(request)), 0o644))
	d.untilDelivered()
	d.stop()
	d.untilReceived(far)
	for _, line := range d.recordsOf("link-up") {
		if !strings.Contains(line, "CN=audited.example.org,O=Example") {
			t.Errorf("%s: want our certificate", line)
		}
	}
	// check knows both of what there is and what does not fit.
	stdout, _, code := auditbridgeCommand(t, "check", "--config", d.config)
	if code != 0 || !strings.Contains(stdout, "CN=audited.example.org,O=Example") || !strings.Contains(stdout, "serial ") {
		t.Errorf("check ends with %d: %s", code, stdout)
	}
	other, _ := peertest.NewCA(t, "Other root", nil).Write(filepath.Join(d.dir, "tls"), "other")
	edit(t, d.config, filepath.Join(d.dir, "tls", "ca.pem"), other)
	stdout, _, code = auditbridgeCommand(t, "check", "--config", d.config)
	if code != 2 || !strings.Contains(stdout, "CN=Root") || !strings.Contains(stdout, "CN=Other root") {
		t.Errorf("check of another root ends with %d: %s", code, stdout)
	}
}
