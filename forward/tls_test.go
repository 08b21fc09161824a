package forward

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/forward/tlslink"
	"auditbridge/internal/peertest"
	"auditbridge/journal"
)

// inTLS is c, spoken in TLS to a server that ca vouches for. Its files are
// written anew into dir.
func inTLS(t *testing.T, c Config, dir string, ca, own *peertest.Identity) Config {
	t.Helper()
	c.Protocol = ProtocolTLS
	c.TLS = &tlslink.Config{Name: c.Name, Address: c.Address, Port: c.Port, OCSP: tlslink.OCSPOff, HandshakeTimeout: peertest.Patience}
	c.TLS.CAFile, _ = ca.Write(dir, "ca")
	if own != nil {
		c.TLS.CertificateFile, c.TLS.KeyFile = own.Write(dir, "client")
	}
	return c
}

func overTLS(t *testing.T, c Config, under Dialer) Dialer {
	t.Helper()
	d, err := newSecured(c, under, discard)
	if err != nil {
		t.Fatal(err)
	}
	return d
}

// Stock rsyslog with its gtls driver takes everything, with and without a
// certificate of ours.
func TestToStockRsyslogInTLS(t *testing.T) {
	t.Parallel()
	for name, client := range map[string]string{"server authentication": "", "mutual": "auditbridge.example.org"} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			ca := peertest.NewCA(t, "Root", nil)
			far := peertest.StartRsyslogTLS(t, ca, ca.CA("Between", nil).Server(nil, "127.0.0.1"), client)
			var own *peertest.Identity
			if client != "" {
				own = ca.Client(client, nil)
			}
			c := inTLS(t, to(far.Port), t.TempDir(), ca, own)
			lines := events(0, 5000)
			r := startRelay(t, c, newMemJournal(lines...), overTLS(t, c, direct{c.withDefaults()}), journal.Cursor{})
			peertest.Until(t, "everything arrived", func() bool { return r.Stats().Pending == 0 })
			r.end(t)
			peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
			if got := rawLines(far.Received()); !slices.Equal(got, lines) {
				t.Errorf("rsyslog has %d lines, want the %d sent, in order, each once", len(got), len(lines))
			}
		})
	}
}

// A server that wants a certificate gets nothing from who has none, and the
// reason is told.
func TestRsyslogWantsACertificate(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	far := peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "127.0.0.1"), "auditbridge.example.org")
	c := inTLS(t, to(far.Port), t.TempDir(), ca, nil)
	r := startRelay(t, c, newMemJournal(events(0, 10)...), overTLS(t, c, direct{c.withDefaults()}), journal.Cursor{})
	peertest.Until(t, "the refusal is told", func() bool {
		s := r.Stats()
		return strings.Contains(s.LastError, "client-refused") && strings.Contains(s.Hint, "certificate-file")
	})
	if n := r.Stats().Delivered; n != 0 || len(far.Received()) != 0 {
		t.Errorf("%d delivered, %d received", n, len(far.Received()))
	}
	r.end(t)
}

// TLS inside a tunnel: whom the SSH server passes it on to has to show who he is.
func TestTLSThroughStockSSHD(t *testing.T) {
	t.Parallel()
	ca, s := peertest.NewCA(t, "Root", nil), peertest.StartSSHD(t)
	far := peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "log.example.org"), "")
	c := inTLS(t, to(far.Port), t.TempDir(), ca, nil)
	lines := events(0, 5000)
	r := startRelay(t, c, newMemJournal(lines...), overTLS(t, c, tunnelTo(t, s, s.Port, c)), journal.Cursor{})
	peertest.Until(t, "the wrong name is told", func() bool { return strings.Contains(r.Stats().LastError, "name-mismatch") })
	r.end(t)
	c.TLS.ServerName = "log.example.org"
	r = startRelay(t, c, newMemJournal(lines...), overTLS(t, c, tunnelTo(t, s, s.Port, c)), journal.Cursor{})
	peertest.Until(t, "everything arrived", func() bool { return r.Stats().Pending == 0 })
	r.end(t)
	peertest.Until(t, "everything is in the file", func() bool { return len(far.Received()) >= len(lines) })
	if got := rawLines(far.Received()); !slices.Equal(got, lines) {
		t.Errorf("rsyslog has %d lines, want the %d sent, in order, each once", len(got), len(lines))
	}
}

// outageWays are sealed links to a stock rsyslog through a proxy; soon has them find out
// within seconds that nothing comes through, and again is how they say that they try.
var outageWays = map[string]func(t *testing.T, soon bool) (way sealedWay, again string){
	"tls": func(t *testing.T, soon bool) (sealedWay, string) {
		ca := peertest.NewCA(t, "Root", nil)
		far := peertest.StartRsyslogTLS(t, ca, ca.Server(nil, "127.0.0.1"), "")
		proxy := peertest.StartProxy(t, fmt.Sprintf("127.0.0.1:%d", far.Port))
		c := inTLS(t, to(proxy.Port), t.TempDir(), ca, nil)
		if soon {
			c.WriteTimeout, c.TLS.HandshakeTimeout = 2*time.Second, 2*time.Second
		}
		return sealedWay{far, proxy, c, overTLS(t, c, direct{c.withDefaults()})}, "speak TLS"
	},
	"ssh": func(t *testing.T, soon bool) (sealedWay, string) {
		far, s := peertest.StartRsyslog(t), peertest.StartSSHD(t)
		proxy := peertest.StartProxy(t, fmt.Sprintf("127.0.0.1:%d", s.Port))
		writeKnownHosts(t, s.KnownHosts, peertest.KnownHostsLine(t, proxy.Port, s.HostKey))
		c, cfg := to(far.Port), tunnelConfig(s, proxy.Port)
		if soon {
			cfg.KeepaliveTimeout, cfg.HandshakeTimeout = 2*time.Second, 2*time.Second
		}
		return sealedWay{far, proxy, c, tunnelOf(t, cfg, c)}, "SSH handshake"
	},
}

type sealedWay struct {
	far    *peertest.Rsyslog
	proxy  *peertest.Proxy
	c      Config
	dialer Dialer
}

// FTP_ITC.1 T4: the link, in TLS or in SSH, is interrupted for less than its time-outs,
// and for longer. Whatever comes after, all of it is sent as before it, and nothing in
// clear: neither while it lasts nor when it is over.
func TestOutages(t *testing.T) {
	t.Parallel()
	for name, outlast := range map[string]bool{
		"T-ITC-SHORT": false,
		"T-ITC-LONG":  true,
	} {
		for in, open := range outageWays {
			t.Run(name+"/"+in, func(t *testing.T) {
				t.Parallel()
				way, again := open(t, outlast)
				before := events(0, 100)
				j := newMemJournal(before...)
				r := startRelay(t, way.c, j, way.dialer, journal.Cursor{})
				peertest.Until(t, "records flow", func() bool { return r.Stats().Delivered > 0 })
				way.proxy.Pause()
				last := 2000
				if outlast {
					last = 15_000 // more than the buffers between hold
				}
				sent := append(before, events(100, last)...)
				j.append(sent[len(before):]...)
				if outlast {
					peertest.Until(t, "the outage is told", func() bool { return !r.Stats().Connected })
					peertest.Until(t, "it is tried again, as before", func() bool { return strings.Contains(r.Stats().LastError, again) })
					way.proxy.Cut()
				}
				way.proxy.Resume()
				peertest.Until(t, "everything is there", func() bool { return len(onceEach(t, rawLines(way.far.Received()), sent)) == len(sent) })
				told := strings.Join(r.seen.told(), "\n")
				if downs := strings.Count(told, "up=false"); (downs > 0) != outlast {
					t.Errorf("%d times down:\n%s", downs, told)
				}
				r.stop()
				for _, marker := range []string{"type=", "auditbridge@", "fabric128"} {
					if seen := way.proxy.Seen(); len(seen) < 1<<16 || strings.Contains(seen, marker) {
						t.Errorf("%d bytes passed, %q among them: %v", len(seen), marker, strings.Contains(seen, marker))
					}
				}
			})
		}
	}
}
