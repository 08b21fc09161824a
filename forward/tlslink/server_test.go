package tlslink

import (
	"context"
	"crypto/tls"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"sync"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

var quiet = slog.New(slog.DiscardHandler)

const (
	host     = "log.example.org"
	patience = peertest.Patience
)

// site is the files of one destination.
type site struct {
	t   *testing.T
	dir string
	cfg Config
}

// newSite believes the authorities. Nobody is asked who is revoked.
func newSite(t *testing.T, anchors ...*peertest.Identity) *site {
	t.Helper()
	s := &site{t: t, dir: t.TempDir()}
	s.cfg = Config{Name: "siem", Address: "127.0.0.1", Port: 6514, ServerName: host, OCSP: OCSPOff, HandshakeTimeout: patience, OCSPTimeout: patience}
	var text []byte
	for _, a := range anchors {
		text = append(text, a.PEM()...)
	}
	s.cfg.CAFile = s.write("ca.pem", text, 0o644)
	return s
}

func (s *site) write(name string, text []byte, mode os.FileMode) string {
	s.t.Helper()
	path := filepath.Join(s.dir, name)
	if err := os.WriteFile(path, text, mode); err != nil {
		s.t.Fatal(err)
	}
	return path
}

// dial connects to the server and says how it went.
func (s *site) dial(l net.Listener) (*Conn, error) {
	s.t.Helper()
	cfg := s.cfg
	cfg.Port = l.Addr().(*net.TCPAddr).Port
	d, err := New(cfg, func(ctx context.Context) (Carrier, error) {
		conn, err := (&net.Dialer{}).DialContext(ctx, "tcp", l.Addr().String())
		if err != nil {
			return nil, err
		}
		return &plain{TCPConn: conn.(*net.TCPConn)}, nil
	}, quiet)
	if err != nil {
		s.t.Fatal(err)
	}
	return d.Dial(s.t.Context())
}

// plain is a carrier whose bytes arrive when arrived says so.
type plain struct {
	*net.TCPConn
	arrived uint64
}

func (p *plain) Reached() uint64 { return p.arrived }

// server is a TLS server that keeps what it is sent.
type server struct {
	net.Listener
	mu       sync.Mutex
	received []byte
	failed   error
	peer     []string
}

func serve(t *testing.T, cfg *tls.Config) *server {
	t.Helper()
	s := &server{}
	s.Listener = peertest.Listen(t, func(conn net.Conn) { s.hear(tls.Server(conn, cfg)) })
	return s
}

func (s *server) hear(conn *tls.Conn) {
	defer conn.Close()
	err := conn.Handshake()
	s.mu.Lock()
	s.failed = err
	for _, c := range conn.ConnectionState().PeerCertificates {
		s.peer = append(s.peer, c.Subject.CommonName)
	}
	s.mu.Unlock()
	for buf := make([]byte, 4096); err == nil; {
		var n int
		n, err = conn.Read(buf)
		s.mu.Lock()
		s.received = append(s.received, buf[:n]...)
		s.mu.Unlock()
	}
}

func (s *server) heard() string {
	s.mu.Lock()
	defer s.mu.Unlock()
	return string(s.received)
}

// showing is a server that shows these.
func showing(certs tls.Certificate) *tls.Config {
	return &tls.Config{Certificates: []tls.Certificate{certs}}
}

// faultOf is the fault that an error of ours has, and the certificate that it
// names.
func faultOf(t *testing.T, err error) (Fault, *ID) {
	t.Helper()
	var cert *CertificateError
	var shake *HandshakeError
	var hinted interface{ Hint() string }
	switch {
	case err == nil:
		return "", nil
	case !errors.As(err, &hinted) || hinted.Hint() == "":
		t.Errorf("%v: without a hint", err)
	}
	switch {
	case errors.As(err, &cert):
		return cert.Fault, cert.Certificate
	case errors.As(err, &shake):
		return shake.Fault, nil
	}
	t.Fatalf("%T: %v", err, err)
	return "", nil
}

// accept fails the test when the server is not believed, or does not hear us.
func (s *site) accept(srv *server) {
	s.t.Helper()
	conn, err := s.dial(srv)
	if err != nil {
		s.t.Fatalf("refused: %v", err)
	}
	defer conn.Close()
	if _, err := io.WriteString(conn, "marker"); err != nil {
		s.t.Fatal(err)
	}
	peertest.Until(s.t, "the server has it", func() bool { return srv.heard() == "marker" })
}

// refuse wants one fault, of one certificate.
func (s *site) refuse(srv *server, want Fault, of *peertest.Identity) error {
	s.t.Helper()
	conn, err := s.dial(srv)
	if err == nil {
		conn.Close()
		s.t.Fatalf("believed; want %s", want)
	}
	fault, id := faultOf(s.t, err)
	if fault != want {
		s.t.Errorf("%v: want %s", err, want)
	}
	switch {
	case of == nil:
	case id == nil:
		s.t.Errorf("%v: names no certificate", err)
	case id.Serial != of.Cert.SerialNumber.Text(16) || id.Issuer != of.Cert.Issuer.String() || id.Subject != of.Cert.Subject.String():
		s.t.Errorf("%v: want %s", err, identify(of.Cert))
	}
	if heard := srv.heard(); heard != "" {
		s.t.Errorf("the server heard %q", heard)
	}
	return err
}

func ago(d time.Duration) time.Time { return time.Now().Add(-d) }
