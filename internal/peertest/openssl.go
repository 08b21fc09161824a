package peertest

import (
	"fmt"
	"io"
	"net"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"
)

// OpenSSLResponder is openssl's OCSP responder.
type OpenSSLResponder struct {
	*Process
	URL  string
	port int
	dir  string
	ca   *Identity
	know []string
}

// StartOpenSSLResponder finds it a port; it answers once Start has been called.
func StartOpenSSLResponder(t testing.TB, ca *Identity) *OpenSSLResponder {
	t.Helper()
	r := &OpenSSLResponder{port: FreePort(t), dir: t.TempDir(), ca: ca}
	r.URL = "http://127.0.0.1:" + strconv.Itoa(r.port)
	return r
}

// Know tells it of a certificate, before Start.
func (r *OpenSSLResponder) Know(i *Identity, revoked bool) {
	const form = "060102150405Z"
	status, since := "V", ""
	if revoked {
		status, since = "R", time.Now().UTC().Add(-time.Minute).Format(form)
	}
	serial := strings.ToUpper(i.Cert.SerialNumber.Text(16))
	if len(serial)%2 == 1 {
		serial = "0" + serial
	}
	r.know = append(r.know, strings.Join([]string{status, i.Cert.NotAfter.UTC().Format(form), since, serial, "unknown", "/CN=" + i.Cert.Subject.CommonName}, "\t"))
}

// Start runs it.
func (r *OpenSSLResponder) Start(t testing.TB) {
	t.Helper()
	index := writeFile(t, filepath.Join(r.dir, "index.txt"), strings.Join(r.know, "\n")+"\n", 0o600)
	cert, key := r.ca.Write(r.dir, "ca")
	r.Process = start(t, "openssl", "ocsp", "-index", index, "-port", fmt.Sprint(r.port), "-rsigner", cert, "-rkey", key, "-CA", cert, "-nmin", "60", "-ignore_err")
	// It serves one after the other, and waits for ever for one who only knocks.
	Until(t, "openssl waits for questions", func() bool { return strings.Contains(r.Output(), "waiting for OCSP client") })
}

// OpenSSLServer is openssl's TLS server. It takes one connection after the other.
type OpenSSLServer struct {
	*Process
	net.Listener // its address; Accept is not to be called
	stdin        io.WriteCloser
}

// Type types a command for it.
func (s *OpenSSLServer) Type(text string) { io.WriteString(s.stdin, text) }

// Close does nothing: the process ends with the test.
func (s *OpenSSLServer) Close() error { return nil }

// StartOpenSSLServer runs s_server, which shows the identity.
func StartOpenSSLServer(t testing.TB, identity *Identity, more ...string) *OpenSSLServer {
	t.Helper()
	port := FreePort(t)
	cert, key := identity.Write(t.TempDir(), "server")
	s := &OpenSSLServer{Listener: listenerAt(port)}
	read, write, err := os.Pipe()
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { write.Close() })
	s.stdin = write
	s.Process = startReading(t, read, "openssl", append([]string{"s_server", "-accept", strconv.Itoa(port), "-cert_chain", cert, "-cert", cert, "-key", key}, more...)...)
	read.Close()
	Until(t, "openssl accepts", func() bool { return strings.Contains(s.Output(), "ACCEPT") })
	return s
}

// listenerAt is an address that somebody else listens at.
type listenerAt int

func (listenerAt) Accept() (net.Conn, error) { return nil, net.ErrClosed }
func (listenerAt) Close() error              { return nil }
func (l listenerAt) Addr() net.Addr          { return &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1), Port: int(l)} }
