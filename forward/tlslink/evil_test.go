package tlslink

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"os"
	"os/exec"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// Types of records and of handshake messages (RFC 5246 sections 6.2.1 and 7.4).
const (
	recordCCS       = 20
	recordHandshake = 22
	helloMessage    = 2
	keyExchange     = 12
)

// meddle changes what a server sends, record by record: it gets each one's type
// and content, and returns what goes on in its place. sealed says that a
// ChangeCipherSpec went before.
type meddle func(kind byte, content []byte, sealed bool) []byte

// between is a listener in front of srv whose connections are meddled with.
func between(t *testing.T, srv net.Listener, change meddle) net.Listener {
	t.Helper()
	return peertest.Listen(t, func(client net.Conn) {
		defer client.Close()
		server, err := net.Dial("tcp", srv.Addr().String())
		if err != nil {
			return
		}
		go func() { io.Copy(server, client); server.Close() }()
		change.carry(client, server)
	})
}

func (m meddle) carry(to io.Writer, from io.Reader) {
	for sealed := false; ; {
		head := make([]byte, 5)
		if _, err := io.ReadFull(from, head); err != nil {
			return
		}
		content := make([]byte, binary.BigEndian.Uint16(head[3:]))
		if _, err := io.ReadFull(from, content); err != nil {
			return
		}
		content = m(head[0], content, sealed)
		sealed = sealed || head[0] == recordCCS
		binary.BigEndian.PutUint16(head[3:], uint16(len(content)))
		if _, err := to.Write(append(head, content...)); err != nil {
			return
		}
	}
}

// inMessage changes one kind of handshake message that is not sealed. What it
// gets is the message's body.
func inMessage(message byte, change func(body []byte)) meddle {
	return func(kind byte, content []byte, sealed bool) []byte {
		if kind == recordHandshake && !sealed && len(content) > 4 && content[0] == message {
			change(content[4:])
		}
		return content
	}
}

// suiteTo has the ServerHello choose another cipher suite: it stands behind
// version, random and session id.
func suiteTo(suite uint16) meddle {
	return inMessage(helloMessage, func(body []byte) { binary.BigEndian.PutUint16(body[35+int(body[34]):], suite) })
}

// Servers that do what no server may: nothing of ours goes to any of them, and
// each is left for a reason of its own (FCS_TLSC_EXT.1 tests 2 to 6, and .9).
func TestEvilServers(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	leaf := ca.Server(nil, host)
	only := func(version uint16) *tls.Config {
		c := showing(leaf.TLS())
		c.MinVersion, c.MaxVersion = version, version
		return c
	}
	for _, row := range []struct {
		name   string
		server *tls.Config
		meddle meddle
		want   Fault
	}{
		{"T-TLS-EVIL/SSL 3.0", only(tls.VersionTLS12), inMessage(helloMessage, func(b []byte) { b[0], b[1] = 3, 0 }), FaultVersion},
		{"T-TLS-EVIL/TLS 1.0", only(tls.VersionTLS10), nil, FaultVersion},
		{"T-TLS-EVIL/TLS 1.1", only(tls.VersionTLS11), nil, FaultVersion},
		{"T-TLS-EVIL/TLS 1.1 against the list", only(tls.VersionTLS12), inMessage(helloMessage, func(b []byte) { b[1] = 2 }), FaultVersion},
		{"T-TLS-EVIL/NULL suite", only(tls.VersionTLS12), suiteTo(0x0002), FaultCipher},
		{"T-TLS-EVIL/suite not offered", only(tls.VersionTLS12), suiteTo(tls.TLS_ECDHE_ECDSA_WITH_AES_128_CBC_SHA), FaultCipher},
		{"T-TLS-EVIL/suite not offered in 1.3", only(tls.VersionTLS13), suiteTo(0x1304), FaultCipher},
		{"T-TLS-EVIL/certificate of another type", only(tls.VersionTLS12), suiteTo(tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384), FaultModified},
		{"T-TLS-EVIL/curve not offered", only(tls.VersionTLS12), inMessage(keyExchange, func(b []byte) { b[2] = 21 }), FaultGroup}, // secp224r1
		{"T-TLS-EVIL/key exchange changed", only(tls.VersionTLS12), inMessage(keyExchange, func(b []byte) { b[len(b)-1] ^= 1 }), FaultModified},
		{"T-TLS-EVIL/random changed", only(tls.VersionTLS12), inMessage(helloMessage, func(b []byte) { b[10] ^= 1 }), FaultModified},
		{"T-TLS-EVIL/Finished changed", only(tls.VersionTLS12), func(kind byte, content []byte, sealed bool) []byte {
			if kind == recordHandshake && sealed {
				content[len(content)-1] ^= 1
			}
			return content
		}, FaultModified},
		{"T-TLS-EVIL/garbage instead of Finished", only(tls.VersionTLS12), func(kind byte, content []byte, sealed bool) []byte {
			if sealed {
				return bytes.Repeat([]byte{0xaa}, len(content))
			}
			return content
		}, FaultModified},
		{"T-TLS-EVIL/CertificateVerify changed", &tls.Config{MinVersion: tls.VersionTLS13, Certificates: []tls.Certificate{{Certificate: leaf.TLS().Certificate, PrivateKey: liar{leaf.Key}}}}, nil, FaultModified},
		{"T-TLS-EVIL/EncryptedExtensions in clear", only(tls.VersionTLS13), func(kind byte, content []byte, sealed bool) []byte {
			if kind == 23 { // the first sealed record becomes a plain one, of the same type
				return []byte{8, 0, 0, 2, 0, 0}
			}
			return content
		}, FaultModified},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			s, srv := newSite(t, ca), serve(t, row.server)
			l := net.Listener(srv)
			if row.meddle != nil {
				l = between(t, srv, row.meddle)
			}
			conn, err := s.dial(l)
			if err == nil {
				conn.Close()
				t.Fatal("believed")
			}
			if fault, _ := faultOf(t, err); fault != row.want {
				t.Errorf("%v: want %s", err, row.want)
			}
			if heard := srv.heard(); heard != "" {
				t.Errorf("it heard %q", heard)
			}
		})
	}
}

// liar signs what it was not asked to.
type liar struct{ crypto.Signer }

func (l liar) Sign(r io.Reader, digest []byte, o crypto.SignerOpts) ([]byte, error) {
	digest = slices.Clone(digest)
	digest[0] ^= 1
	return l.Signer.Sign(r, digest, o)
}

// What answers may not be TLS at all, or nothing.
func TestNoTLSServer(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	for name, row := range map[string]struct {
		does func(net.Conn)
		want Fault
	}{
		"speaks something else": {func(c net.Conn) { io.WriteString(c, "220 mail.example.org ESMTP\r\n"); io.Copy(io.Discard, c) }, FaultNoTLS},
		"closes":                {func(c net.Conn) { c.Read(make([]byte, 1)) }, FaultBroken},
		"says nothing":          {func(c net.Conn) { io.Copy(io.Discard, c) }, FaultTimeout},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			l := peertest.Listen(t, func(conn net.Conn) { row.does(conn); conn.Close() })
			s := newSite(t, ca)
			if row.want == FaultTimeout {
				s.cfg.HandshakeTimeout = 50 * time.Millisecond
			}
			_, err := s.dial(l)
			if fault, _ := faultOf(t, err); fault != row.want {
				t.Errorf("%v: want %s", err, row.want)
			}
		})
	}
}

// A server that wants to renegotiate, as openssl can, is left
// (FCS_TLSC_EXT.1.9).
func TestRenegotiation(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	far := peertest.StartOpenSSLServer(t, ca.Server(nil, host), "-tls1_2")
	t.Run("T-TLS-EVIL/renegotiation", func(t *testing.T) {
		s := newSite(t, ca)
		conn, err := s.dial(far)
		if err != nil {
			t.Fatal(err)
		}
		defer conn.Close()
		if conn.Session().Version != "TLS 1.2" {
			t.Errorf("%+v", conn.Session())
		}
		far.Type("R\n")
		conn.SetReadDeadline(time.Now().Add(patience))
		if _, err := conn.Read(make([]byte, 1)); err == nil || !strings.Contains(err.Error(), "no renegotiation") {
			t.Errorf("%v, want no renegotiation", err)
		}
		if _, err := io.WriteString(conn, "marker"); err == nil {
			t.Error("it still writes")
		}
	})
}

// Extended master secret (RFC 7627) has to be used where the FIPS module is in
// force, which is a process's property: so this test runs itself anew.
func TestExtendedMasterSecret(t *testing.T) {
	t.Parallel()
	const inForce = "AUDITBRIDGE_TEST_FIPS"
	if os.Getenv(inForce) == "" {
		cmd := exec.Command(os.Args[0], "-test.run=^TestExtendedMasterSecret$", "-test.v")
		cmd.Env = append(os.Environ(), inForce+"=1", "GODEBUG=fips140=on")
		if out, err := cmd.CombinedOutput(); err != nil || !bytes.Contains(out, []byte("--- PASS: TestExtendedMasterSecret/T-TLS-EMS")) {
			t.Errorf("%v\n%s", err, out)
		}
		return
	}
	t.Run("T-TLS-EMS", func(t *testing.T) {
		ca := peertest.NewCA(t, "Root", nil)
		cfg := showing(ca.Server(nil, host).TLS())
		cfg.MaxVersion = tls.VersionTLS12
		srv := serve(t, cfg)
		renamed := inMessage(helloMessage, func(body []byte) { // an extension nobody knows in its place
			if at := bytes.Index(body[38+int(body[34]):], []byte{0, 23, 0, 0}); at >= 0 {
				copy(body[38+int(body[34])+at:], []byte{0xff, 0xce, 0, 0})
			}
		})
		s := newSite(t, ca)
		s.cfg.Profile.Curves = []tls.CurveID{tls.CurveP256}
		_, err := s.dial(between(t, srv, renamed))
		var shake *HandshakeError
		if !errors.As(err, &shake) || !strings.Contains(shake.What, "Extended Master Secret") {
			t.Errorf("%v", err)
		}
	})
}

// A ClientHello offers what the profile lists and nothing else, but what
// crypto/tls always offers: the suites of TLS 1.3 and Ed25519.
func TestClientHello(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	always := []uint16{tls.TLS_AES_128_GCM_SHA256, tls.TLS_AES_256_GCM_SHA384, tls.TLS_CHACHA20_POLY1305_SHA256}
	for name, row := range map[string]struct {
		profile  Profile
		versions []uint16
		suites   []uint16
		curves   []tls.CurveID
	}{
		"T-TLS-HELLO/default": {Profile{}, []uint16{tls.VersionTLS13, tls.VersionTLS12}, slices.Concat(Default().CipherSuites, always), Default().Curves},
		"T-TLS-HELLO/lists": {Profile{CipherSuites: []uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}, Curves: []tls.CurveID{tls.CurveP384, tls.CurveP521}},
			[]uint16{tls.VersionTLS13, tls.VersionTLS12}, slices.Concat([]uint16{tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384}, always), []tls.CurveID{tls.CurveP384, tls.CurveP521}},
		"T-TLS-HELLO/1.2 alone": {Profile{MaxVersion: tls.VersionTLS12}, []uint16{tls.VersionTLS12}, Default().CipherSuites, nil},
		"T-TLS-HELLO/1.3 alone": {Profile{MinVersion: tls.VersionTLS13}, []uint16{tls.VersionTLS13}, always, Default().Curves},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			hello := make(chan *tls.ClientHelloInfo, 1)
			cfg := showing(ca.Server(nil, host).TLS())
			cfg.GetConfigForClient = func(h *tls.ClientHelloInfo) (*tls.Config, error) { hello <- h; return nil, nil }
			s := newSite(t, ca)
			s.cfg.Profile = row.profile
			s.accept(serve(t, cfg))
			h := <-hello
			if !sameSet(h.SupportedVersions, row.versions) || !sameSet(h.CipherSuites, row.suites) {
				t.Errorf("versions %x, suites %x; want %x, %x", h.SupportedVersions, h.CipherSuites, row.versions, row.suites)
			}
			if row.curves != nil && !sameSet(h.SupportedCurves, row.curves) {
				t.Errorf("curves %v, want %v", h.SupportedCurves, row.curves)
			}
			if h.ServerName != host {
				t.Errorf("server name %q", h.ServerName)
			}
			for _, never := range []uint16{41, 42, 49, 16} { // pre_shared_key, early_data, post_handshake_auth, ALPN
				if slices.Contains(h.Extensions, never) {
					t.Errorf("extension %d is offered", never)
				}
			}
			for _, scheme := range h.SignatureSchemes {
				if scheme == tls.PKCS1WithSHA1 || scheme == tls.ECDSAWithSHA1 {
					t.Errorf("%v is offered", scheme)
				}
			}
		})
	}
}

func sameSet[T interface{ ~uint16 }](a, b []T) bool {
	return slices.Equal(slices.Sorted(slices.Values(a)), slices.Sorted(slices.Values(b)))
}

// The environment decides nothing: no file of secrets is written, no other store
// is believed, no proxy asked.
func TestEnvironmentIsIgnored(t *testing.T) {
	ca, other := peertest.NewCA(t, "Root", nil), peertest.NewCA(t, "Other", nil)
	s := newSite(t, ca)
	secrets := s.dir + "/keylog"
	store := s.write("other.pem", other.PEM(), 0o644)
	for name, value := range map[string]string{"SSLKEYLOGFILE": secrets, "SSL_CERT_FILE": store, "SSL_CERT_DIR": s.dir,
		"http_proxy": "http://127.0.0.1:1", "HTTP_PROXY": "http://127.0.0.1:1", "ALL_PROXY": "http://127.0.0.1:1"} {
		t.Setenv(name, value)
	}
	s.refuse(serve(t, showing(other.Server(nil, host).TLS())), FaultUntrusted, nil)
	r := startResponder(t)
	r.issuers = []*peertest.Identity{ca}
	s.cfg.OCSP, s.cfg.Responder = OCSPRequire, r.url
	s.accept(serve(t, showing(ca.Server(nil, host).TLS())))
	if r.asked.Load() != 1 {
		t.Error("the responder was not asked")
	}
	if _, err := os.Stat(secrets); err == nil {
		t.Error("the session's secrets were written down")
	}
}
