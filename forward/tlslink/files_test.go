package tlslink

import (
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/keyfile"
	"auditbridge/internal/peertest"

	"software.sslmate.com/src/go-pkcs12"
)

// fileError wants an error about the file that key names, with the words.
func fileError(t *testing.T, err error, key string, words ...string) {
	t.Helper()
	var bad *keyfile.Error
	if !errors.As(err, &bad) || bad.Key != key || bad.Hint() == "" {
		t.Fatalf("%v: want an error about %s", err, key)
	}
	for _, word := range words {
		if !strings.Contains(err.Error(), word) {
			t.Errorf("%v: want %q", err, word)
		}
	}
}

// A trust store holds authorities, at least one, and nothing else; what it holds
// is looked at when it is loaded.
func TestTrustStore(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	server := ca.Server(nil, host)
	self := peertest.NewCA(t, "self", func(c *x509.Certificate) { c.IsCA, c.DNSNames = false, []string{host} })
	for name, row := range map[string]struct {
		text  []byte
		words []string
	}{
		"empty":                   {nil, []string{"no certificate"}},
		"a server's":              {server.PEM(), []string{string(FaultNotCA), identify(server.Cert).String()}},
		"a server's own":          {self.PEM(), []string{string(FaultNotCA)}},
		"no basicConstraints":     {peertest.NewCA(t, "r", func(c *x509.Certificate) { c.BasicConstraintsValid = false }).PEM(), []string{string(FaultNoConstraints)}},
		"no keyCertSign":          {peertest.NewCA(t, "r", func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageDigitalSignature }).PEM(), []string{string(FaultNoCertSign)}},
		"a second one that is no": {append(ca.PEM(), server.PEM()...), []string{string(FaultNotCA)}},
		"a key":                   {ca.KeyPEM(), []string{"PRIVATE KEY"}},
		"damaged":                 {ca.PEM()[:200], []string{"damaged"}},
		"no PEM":                  {[]byte("hello"), []string{"no certificate"}},
		"T-X509-8c":               {explicitCurve(t, ca), []string{string(FaultMalformed)}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t)
			s.cfg.CAFile = s.write("ca.pem", row.text, 0o644)
			_, err := s.dial(serve(t, showing(server.TLS())))
			fileError(t, err, "ca-file", row.words...)
		})
	}
	t.Run("others may write it", func(t *testing.T) {
		t.Parallel()
		s := newSite(t, ca)
		os.Chmod(s.cfg.CAFile, 0o666)
		_, err := s.dial(serve(t, showing(server.TLS())))
		fileError(t, err, "ca-file", "0666")
	})
}

// explicitCurve is a self-signed CA certificate whose key spells out its curve
// instead of naming it, which only openssl makes.
func explicitCurve(t *testing.T, _ *peertest.Identity) []byte {
	t.Helper()
	dir := t.TempDir()
	run := func(args ...string) {
		t.Helper()
		cmd := exec.Command("openssl", args...)
		cmd.Dir = dir
		if out, err := cmd.CombinedOutput(); err != nil {
			t.Fatalf("openssl %v: %v\n%s", args, err, out)
		}
	}
	run("ecparam", "-name", "prime256v1", "-genkey", "-noout", "-param_enc", "explicit", "-out", "key")
	run("req", "-x509", "-new", "-key", "key", "-subj", "/CN=explicit", "-days", "2", "-out", "cert",
		"-addext", "basicConstraints=critical,CA:TRUE", "-addext", "keyUsage=keyCertSign,cRLSign,digitalSignature", "-addext", "extendedKeyUsage=serverAuth", "-addext", "subjectAltName=DNS:"+host)
	text, err := os.ReadFile(filepath.Join(dir, "cert"))
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// A curve that is spelled out could be any: such a certificate is not read, in a
// chain as little as in the trust store. Named curves are P-256, P-384, P-521.
func TestExplicitCurves(t *testing.T) {
	t.Parallel()
	c := newChain(t, nil, nil, nil)
	t.Run("T-X509-8a", func(t *testing.T) { newSite(t, c.root).accept(serve(t, showing(c.leaf.TLS()))) })
	t.Run("T-X509-8b", func(t *testing.T) {
		block, _ := pem.Decode(explicitCurve(t, c.root))
		shown := c.leaf.TLS()
		shown.Certificate[1] = block.Bytes
		newSite(t, c.root).refuse(serve(t, showing(shown)), FaultMalformed, nil)
	})
}

// A byte changed in the public key: the curve has no such point, or the
// signature is another's.
func TestChangedPublicKey(t *testing.T) {
	t.Parallel()
	c := newChain(t, nil, nil, nil)
	t.Run("T-X509-7", func(t *testing.T) {
		shown := c.leaf.TLS()
		flip(func(der []byte) int {
			return strings.Index(string(der), string(c.leaf.Cert.RawSubjectPublicKeyInfo)) + len(c.leaf.Cert.RawSubjectPublicKeyInfo) - 1
		})(&shown)
		newSite(t, c.root).refuse(serve(t, showing(shown)), FaultMalformed, nil)
	})
}

// Who we are: in PEM or PKCS#12, whole, of the same root, and nobody else's to
// read.
func TestOwnCertificate(t *testing.T) {
	t.Parallel()
	ca, other := peertest.NewCA(t, "Root", nil), peertest.NewCA(t, "Other root", nil)
	own := ca.CA("Between", nil).Client("auditbridge", nil)
	stranger := other.CA("Between", nil).Client("auditbridge", nil)
	encode := func(i *peertest.Identity, password string) []byte {
		certs := i.TLS().Certificate
		between, err := x509.ParseCertificate(certs[1])
		if err != nil {
			t.Fatal(err)
		}
		text, err := pkcs12.Modern.Encode(i.Key, i.Cert, []*x509.Certificate{between}, password)
		if err != nil {
			t.Fatal(err)
		}
		return text
	}
	keyless, err := pkcs12.Modern.EncodeTrustStore([]*x509.Certificate{own.Cert}, "secret")
	if err != nil {
		t.Fatal(err)
	}
	inPKCS12 := func(text []byte, password string) func(*site) {
		return func(s *site) {
			s.cfg.PKCS12File, s.cfg.PasswordFile = s.write("client.p12", text, 0o600), s.write("password", []byte(password), 0o600)
		}
	}
	inPEM := func(i, key *peertest.Identity) func(*site) {
		return func(s *site) {
			s.cfg.CertificateFile, _ = i.Write(s.dir, "client")
			_, s.cfg.KeyFile = key.Write(s.dir, "key")
		}
	}
	for name, row := range map[string]struct {
		prepare func(*site)
		key     string // of the file that is wrong
		words   []string
	}{
		"PEM":                          {inPEM(own, own), "", nil},
		"PKCS#12":                      {inPKCS12(encode(own, "s3cret "), "s3cret \n"), "", nil},
		"PKCS#12 without a password":   {func(s *site) { s.cfg.PKCS12File = s.write("client.p12", encode(own, ""), 0o600) }, "", nil},
		"PKCS#12, wrong password":      {inPKCS12(encode(own, "secret"), "s3cret"), "pkcs12-password-file", []string{"does not open"}},
		"PKCS#12, password needed":     {func(s *site) { s.cfg.PKCS12File = s.write("client.p12", encode(own, "secret"), 0o600) }, "pkcs12-file", []string{"a password protects it"}},
		"PKCS#12 without a key":        {inPKCS12(keyless, "secret"), "pkcs12-file", []string{"no private key"}},
		"PKCS#12 of another root":      {inPKCS12(encode(stranger, "secret"), "secret"), "pkcs12-file", []string{"Root", "Other root"}},
		"PKCS#12 that is none":         {inPKCS12([]byte("hello"), "secret"), "pkcs12-file", []string{"no PKCS#12"}},
		"PKCS#12 others may read":      {func(s *site) { s.cfg.PKCS12File = s.write("client.p12", encode(own, ""), 0o640) }, "pkcs12-file", []string{"0640"}},
		"password others may read":     {func(s *site) { inPKCS12(encode(own, "x"), "x")(s); os.Chmod(s.cfg.PasswordFile, 0o644) }, "pkcs12-password-file", []string{"0644"}},
		"PEM of another root":          {inPEM(stranger, stranger), "certificate-file", []string{"Root", "Other root"}},
		"PEM with another's key":       {inPEM(own, stranger), "key-file", []string{"not that of the certificate", identify(own.Cert).Serial}},
		"key others may read":          {func(s *site) { inPEM(own, own)(s); os.Chmod(s.cfg.KeyFile, 0o644) }, "key-file", []string{"0644"}},
		"key with a passphrase":        {func(s *site) { inPEM(own, own)(s); s.cfg.KeyFile = s.write("k", locked, 0o600) }, "key-file", []string{"passphrase"}},
		"certificate where the key is": {func(s *site) { inPEM(own, own)(s); s.cfg.KeyFile = s.write("k", own.PEM(), 0o600) }, "key-file", []string{"no private key"}},
		"missing":                      {func(s *site) { inPEM(own, own)(s); os.Remove(s.cfg.KeyFile) }, "key-file", []string{"no such file"}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			s := newSite(t, ca)
			row.prepare(s)
			cfg := showing(ca.Server(nil, host).TLS())
			cfg.ClientAuth, cfg.ClientCAs = tls.RequireAndVerifyClientCert, x509.NewCertPool()
			cfg.ClientCAs.AddCert(ca.Cert)
			srv := serve(t, cfg)
			conn, err := s.dial(srv)
			if row.key != "" {
				fileError(t, err, row.key, row.words...)
				if strings.Contains(err.Error(), "s3cret") {
					t.Errorf("%v: the password is in it", err)
				}
				if _, err := new(Viewer).Look(s.cfg); err == nil && !strings.HasPrefix(row.words[0], "0") {
					t.Error("Look finds nothing wrong")
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			conn.Close()
			if got := conn.Session().Own; got == nil || got.Serial != own.Cert.SerialNumber.Text(16) {
				t.Errorf("own certificate %v", got)
			}
			held, err := new(Viewer).Look(s.cfg)
			if err != nil || held.Own.Subject != "CN=auditbridge" || len(held.Anchors) != 1 || held.Anchors[0].Subject != "CN=Root" {
				t.Errorf("%+v, %v", held, err)
			}
			peertest.Until(t, "the server saw it", func() bool { srv.mu.Lock(); defer srv.mu.Unlock(); return len(srv.peer) > 0 })
			if srv.peer[0] != "auditbridge" || len(srv.peer) != 2 {
				t.Errorf("the server saw %q", srv.peer)
			}
		})
	}
}

var locked = []byte("-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n")

// What is replaced counts from the next connection on.
func TestFilesAreReadAtEachConnection(t *testing.T) {
	t.Parallel()
	old, renewed := peertest.NewCA(t, "Root", nil), peertest.NewCA(t, "Root", nil)
	s, srv := newSite(t, old), serve(t, showing(renewed.Server(nil, host).TLS()))
	s.refuse(srv, FaultBadSignature, nil)
	s.write("ca.pem", renewed.PEM(), 0o644)
	s.accept(srv)
}

// A server that wants a certificate and gets none says so after the handshake in
// TLS 1.3, within it in TLS 1.2.
func TestServerThatWantsACertificate(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	for _, version := range []uint16{tls.VersionTLS12, tls.VersionTLS13} {
		cfg := showing(ca.Server(nil, host).TLS())
		cfg.MaxVersion, cfg.ClientAuth = version, tls.RequireAnyClientCert
		conn, err := newSite(t, ca).dial(serve(t, cfg))
		if err == nil {
			_, err = conn.Read(make([]byte, 1))
			conn.Close()
		}
		if fault, _ := faultOf(t, err); fault != FaultClientRefused {
			t.Errorf("%s: %v", tls.VersionName(version), err)
		}
	}
}
