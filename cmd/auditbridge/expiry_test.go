package main

import (
	"crypto/x509"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// untilAlarmed waits until exactly these alarms of certificates are raised, and nothing
// else is said to expire than of.
func (d *instance) untilAlarmed(of *peertest.Identity, ids ...string) {
	d.t.Helper()
	d.until(fmt.Sprintf("alarms of certificates: %q", ids), func(s status.Status) bool {
		var raised []string
		for _, a := range s.Alarms {
			if strings.HasPrefix(a.ID, "certificate-") {
				raised = append(raised, a.ID)
			}
		}
		slices.Sort(raised)
		return slices.Equal(raised, ids) && len(s.Destinations) == 1 && s.Destinations[0].Expiring != nil && s.Destinations[0].Expiring.Serial == of.Cert.SerialNumber.Text(16)
	})
}

func endsIn(after time.Duration) func(*x509.Certificate) {
	return func(c *x509.Certificate) { c.NotAfter = time.Now().Add(after) }
}

// TestACertificateOfOursThatEndsIsTold: 30 days, 7 days and a day ahead, by the files
// alone, for nobody is there to connect to; check says so as well, and a file that is
// replaced counts.
func TestACertificateOfOursThatEndsIsTold(t *testing.T) {
	beside(t)
	const day = 24 * time.Hour
	port := peertest.FreePort(t)
	ca := peertest.NewCA(t, "Root", endsIn(20*day))
	long := peertest.NewCA(t, "Root", nil)
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("siem", port, `format = "audit"`, d.tlsFiles(ca, ca.Client("host", nil))))
	replace := func(i *peertest.Identity, name string) {
		t.Helper()
		i.Write(filepath.Join(d.dir, "tls"), "next")
		must(t, os.Chown(filepath.Join(d.dir, "tls", "next.key"), 65534, 65534))
		if name != "ca" {
			must(t, os.Rename(filepath.Join(d.dir, "tls", "next.key"), filepath.Join(d.dir, "tls", name+".key")))
		}
		must(t, os.Rename(filepath.Join(d.dir, "tls", "next.pem"), filepath.Join(d.dir, "tls", name+".pem")))
	}
	if out, _, code := auditbridgeCommand(t, "check", "--config", d.config); code != 0 || !strings.Contains(out, "ca.pem: the certificate CN=Root") || !strings.Contains(out, " expires on ") {
		t.Errorf("check exits %d:\n%s", code, out)
	}
	d.start()
	d.untilAlarmed(ca, "certificate-month")
	week := ca.Client("host", endsIn(6*day))
	replace(week, "client")
	d.untilAlarmed(week, "certificate-month", "certificate-week")
	last := ca.Client("host", endsIn(day-time.Hour))
	replace(last, "client")
	d.untilAlarmed(last, "certificate-day", "certificate-month", "certificate-week")
	if text, _, _ := auditbridgeCommand(t, "status", "--config", d.config); !strings.Contains(text, "CN=host expires "+last.Cert.NotAfter.UTC().Format(time.DateOnly)) {
		t.Errorf("status:\n%s", text)
	}
	next := long.Client("host", nil)
	must(t, os.WriteFile(filepath.Join(d.dir, "tls", "ca.pem"), slices.Concat(ca.PEM(), long.PEM()), 0o644)) // the old one is still there
	replace(next, "client")
	d.until("no certificate is missed any more", func(s status.Status) bool {
		return !slices.ContainsFunc(s.Alarms, func(a status.Alarm) bool { return strings.HasPrefix(a.ID, "certificate-") })
	})
	for _, id := range []string{"certificate-month", "certificate-week", "certificate-day"} {
		d.onRecord("op=alarm-raised ", "alarm="+id+" ", " of=siem ")
		d.onRecord("op=alarm-cleared ", "alarm="+id+" ", " of=siem ")
	}
	d.stop()
}

// TestACertificateOfAServersThatEndsIsTold: it is known of the last session, whether the
// server can be reached or not, and whatever has become of run since.
func TestACertificateOfAServersThatEndsIsTold(t *testing.T) {
	beside(t)
	ca := peertest.NewCA(t, "Root", nil)
	server := ca.Server(endsIn(20*time.Hour), "127.0.0.1")
	far := startEvil(t, "", server.TLS(), server)
	d := newDaemon(t, "")
	d.configure(fromStdin + inTLS("siem", far.port, `format = "audit"`, d.tlsFiles(ca, nil)))
	d.start()
	d.untilAlarmed(server, "certificate-day", "certificate-month", "certificate-week")
	d.kill()
	far.listener.Close()
	d.start()
	d.until("the server cannot be reached, and its certificate is known", func(s status.Status) bool {
		return len(s.Destinations) == 1 && !s.Destinations[0].Connected && s.Destinations[0].Expiring != nil
	})
	d.untilAlarmed(server, "certificate-day", "certificate-month", "certificate-week")
	if cleared := d.recordsOf("alarm-cleared"); slices.ContainsFunc(cleared, func(line string) bool { return strings.Contains(line, "alarm=certificate-") }) {
		t.Errorf("meanwhile it was cleared: %q", cleared)
	}
	renewed := startEvil(t, "", ca.Server(nil, "127.0.0.1").TLS(), nil)
	edit(t, d.config, fmt.Sprintf("port = %d", far.port), fmt.Sprintf("port = %d", renewed.port))
	d.until("another server is another", func(s status.Status) bool {
		return len(s.Destinations) == 1 && s.Destinations[0].Connected && !slices.ContainsFunc(s.Alarms, func(a status.Alarm) bool { return strings.HasPrefix(a.ID, "certificate-") })
	})
	d.stop()
}
