package tlslink

import (
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// chain is a path of three, as FIA_X509_EXT.1 asks for.
type chain struct{ root, between, leaf *peertest.Identity }

func newChain(t *testing.T, root, between, leaf func(*x509.Certificate)) chain {
	t.Helper()
	c := chain{root: peertest.NewCA(t, "Root", root)}
	c.between = c.root.CA("Between", between)
	c.leaf = c.between.Server(leaf, host)
	return c
}

// What a certificate can lack, and the one that lacks it by name. The rows are
// FIA_X509_EXT.1/Rev's and the eight reasons of FAU_GEN.1 (supporting document
// of NDcPP 3.0e, paragraph 22).
func TestCertificatesThatAreNotBelieved(t *testing.T) {
	t.Parallel()
	past := func(c *x509.Certificate) { c.NotBefore, c.NotAfter = ago(48*time.Hour), ago(24*time.Hour) }
	for _, row := range []struct {
		name                string
		root, between, leaf func(*x509.Certificate)
		shown               func(*tls.Certificate)
		want                Fault
		of                  func(chain) *peertest.Identity
	}{
		{name: "T-X509-1a"},
		{name: "T-X509-1b", shown: func(c *tls.Certificate) { c.Certificate = c.Certificate[:1] }, want: FaultUntrusted, of: theLeaf},
		{name: "T-X509-2", leaf: past, want: FaultExpired, of: theLeaf},
		{name: "T-X509-2/between", between: past, want: FaultExpired, of: theBetween},
		{name: "T-X509-2/root", root: past, want: FaultExpired, of: theRoot},
		{name: "T-X509-2/not yet", leaf: func(c *x509.Certificate) { c.NotBefore = time.Now().Add(time.Hour) }, want: FaultNotYetValid, of: theLeaf},
		{name: "T-X509-5", shown: flip(func(der []byte) int { return 6 }), want: FaultMalformed},
		{name: "T-X509-6", shown: flip(func(der []byte) int { return len(der) - 1 }), want: FaultBadSignature, of: theLeaf},
		{name: "T-X509-BC1", between: func(c *x509.Certificate) { c.BasicConstraintsValid = false }, want: FaultNoConstraints, of: theBetween},
		{name: "T-X509-BC2", between: func(c *x509.Certificate) { c.IsCA = false }, want: FaultNotCA, of: theBetween},
		{name: "T-X509-EKU", leaf: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageClientAuth} }, want: FaultNoServerAuth, of: theLeaf},
		{name: "T-X509-EKU/none", leaf: func(c *x509.Certificate) { c.ExtKeyUsage = nil }, want: FaultNoServerAuth, of: theLeaf},
		{name: "T-X509-EKU/any", leaf: func(c *x509.Certificate) { c.ExtKeyUsage = []x509.ExtKeyUsage{x509.ExtKeyUsageAny} }, want: FaultNoServerAuth, of: theLeaf},
		{name: "no keyCertSign", between: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageCRLSign }, want: FaultNoCertSign, of: theBetween},
		{name: "no keyUsage", between: func(c *x509.Certificate) { c.KeyUsage = 0 }, want: FaultNoCertSign, of: theBetween},
		{name: "path too long", root: func(c *x509.Certificate) { c.MaxPathLenZero = true }, want: FaultPathTooLong},
		{name: "no digitalSignature", leaf: func(c *x509.Certificate) { c.KeyUsage = x509.KeyUsageKeyEncipherment }, want: FaultNoDigitalSignature, of: theLeaf},
		{name: "name constraint", between: func(c *x509.Certificate) {
			c.PermittedDNSDomains, c.PermittedDNSDomainsCritical = []string{"example.com"}, true
		}, want: FaultNameConstraint},
		{name: "critical extension", leaf: func(c *x509.Certificate) {
			c.ExtraExtensions = []pkix.Extension{{Id: asn1.ObjectIdentifier{1, 3, 6, 1, 4, 1, 32473, 1}, Critical: true, Value: []byte{5, 0}}}
		}, want: FaultCriticalExtension, of: theLeaf},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			c := newChain(t, row.root, row.between, row.leaf)
			shown := c.leaf.TLS()
			if row.shown != nil {
				row.shown(&shown)
			}
			s, srv := newSite(t, c.root), serve(t, showing(shown))
			if row.want == "" {
				s.accept(srv)
				return
			}
			var of *peertest.Identity
			if row.of != nil {
				of = row.of(c)
			}
			s.refuse(srv, row.want, of)
		})
	}
}

func theLeaf(c chain) *peertest.Identity    { return c.leaf }
func theBetween(c chain) *peertest.Identity { return c.between }
func theRoot(c chain) *peertest.Identity    { return c.root }

// flip changes one byte of the leaf on the wire; the server's library must not
// notice.
func flip(at func([]byte) int) func(*tls.Certificate) {
	return func(c *tls.Certificate) {
		der := slices.Clone(c.Certificate[0])
		der[at(der)] ^= 0x40
		c.Certificate[0] = der
	}
}

// Who is not of this root is a stranger, whatever he calls himself.
func TestAnotherRootOfTheSameName(t *testing.T) {
	t.Parallel()
	ours, theirs := newChain(t, nil, nil, nil), newChain(t, nil, nil, nil)
	s := newSite(t, ours.root)
	s.refuse(serve(t, showing(theirs.leaf.TLS())), FaultBadSignature, theirs.between)
	self := peertest.NewCA(t, "self", func(c *x509.Certificate) {
		c.DNSNames, c.IsCA, c.ExtKeyUsage, c.KeyUsage = []string{host}, false, []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}, x509.KeyUsageDigitalSignature
	})
	s.refuse(serve(t, showing(self.TLS())), FaultUntrusted, self)
}

// A server may show hundreds of certificates, of two names, in the order in which it
// takes longest to find who issued which: five seconds of a processor. They are not
// looked at.
func TestMoreCertificatesThanAnyChainHas(t *testing.T) {
	t.Parallel()
	s, at := newSite(t, peertest.NewCA(t, "Root", nil)), peertest.NewCA(t, "that", nil)
	var between [][]byte
	for n := range 500 {
		at = at.CA([]string{"this", "that"}[n%2], nil)
		between = append(between, at.Cert.Raw)
	}
	leaf := at.Server(nil, host)
	s.refuse(serve(t, showing(tls.Certificate{PrivateKey: leaf.Key, Certificate: append([][]byte{leaf.Cert.Raw}, between...)})), FaultPathTooLong, leaf)
}

// Names: RFC 6125 section 6.4 and the tests of FCS_TLSC_EXT.1.2. The common name
// is "log server" in all of them.
func TestReferenceIdentifiers(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	named := func(cn string) func(*x509.Certificate) {
		return func(c *x509.Certificate) { c.Subject = pkix.Name{CommonName: cn} }
	}
	for _, row := range []struct {
		name      string
		cn        string
		presented []string
		reference string
		want      Fault
	}{
		{"T-TLS-REFID/1 no SAN, another CN", "other.example.org", nil, host, FaultNoName},
		{"T-TLS-REFID/2 CN fits, SAN does not", host, []string{"other.example.org"}, host, FaultNameMismatch},
		{"T-TLS-REFID/3 CN fits, no SAN", host, nil, host, FaultNoName},
		{"T-TLS-REFID/4 SAN fits, CN does not", "other.example.org", []string{"x.example.org", host}, host, ""},
		{"T-TLS-REFID/5 wildcard within", "log server", []string{"foo.*.example.org"}, "foo.bar.example.org", FaultNameMismatch},
		{"T-TLS-REFID/5 wildcard", "log server", []string{"*.example.org"}, host, ""},
		{"T-TLS-REFID/5 wildcard, apex", "log server", []string{"*.example.org"}, "example.org", FaultNameMismatch},
		{"T-TLS-REFID/5 wildcard, two labels", "log server", []string{"*.example.org"}, "a.log.example.org", FaultNameMismatch},
		{"T-TLS-REFID/5 part of a label", "log server", []string{"l*.example.org"}, host, FaultNameMismatch},
		{"T-TLS-REFID/5 a whole domain", "log server", []string{"*.org"}, "example.org", FaultNameMismatch},
		{"T-TLS-REFID/6 address", "log server", []string{"192.0.2.7"}, "192.0.2.7", ""},
		{"T-TLS-REFID/6 another address", "log server", []string{"192.0.2.8"}, "192.0.2.7", FaultNameMismatch},
		{"T-TLS-REFID/6 address as a name", "log server", []string{host}, "192.0.2.7", FaultNameMismatch},
		{"T-TLS-REFID/6 IPv6", "log server", []string{"2001:db8::1"}, "2001:DB8:0::1", ""},
		{"case", "", []string{"LOG.Example.org"}, "Log.example.ORG.", ""},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Parallel()
			leaf := ca.Server(named(row.cn), row.presented...)
			s, srv := newSite(t, ca), serve(t, showing(leaf.TLS()))
			s.cfg.ServerName = row.reference
			if row.want == "" {
				s.accept(srv)
				return
			}
			err := s.refuse(srv, row.want, leaf)
			cert := err.(*CertificateError)
			if cert.Reference != s.cfg.Reference() {
				t.Errorf("reference identifier %q", cert.Reference)
			}
			for _, name := range row.presented {
				if !strings.Contains(cert.Presented, name) {
					t.Errorf("presented identifiers %s, want %s", cert.Presented, name)
				}
			}
		})
	}
	// crypto/x509 makes no certificate with such a name; a wildcard is for labels.
	t.Run("T-TLS-REFID/6 wildcard address", func(t *testing.T) {
		t.Parallel()
		leaf := ca.Server(nil, "*.168.0.1")
		s := newSite(t, ca)
		s.cfg.ServerName = "192.168.0.1"
		s.refuse(serve(t, showing(leaf.TLS())), FaultNameMismatch, leaf)
	})
}

// The name that is meant is the configuration's, whatever address it leads to.
func TestReferenceIsTheAddressWhenNoNameIsSet(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	s := newSite(t, ca)
	s.cfg.ServerName = ""
	s.accept(serve(t, showing(ca.Server(nil, "127.0.0.1").TLS())))
	s.refuse(serve(t, showing(ca.Server(nil, host).TLS())), FaultNameMismatch, nil)
}

// Laboratories may look away, one thing at a time; the session says from what.
func TestSkippedChecks(t *testing.T) {
	t.Parallel()
	ours, other := peertest.NewCA(t, "Root", nil), peertest.NewCA(t, "Other", nil)
	stranger, misnamed := other.Server(nil, host), ours.Server(nil, "other.example.org")
	s := newSite(t, ours)
	s.cfg.SkipNameCheck = true
	s.refuse(serve(t, showing(stranger.TLS())), FaultUntrusted, stranger)
	for _, row := range []struct {
		skip func(*Config)
		leaf *peertest.Identity
		want string
	}{
		{func(c *Config) { c.SkipNameCheck = true }, misnamed, "name"},
		{func(c *Config) { c.SkipCertificateCheck, c.CAFile = true, "" }, stranger, "certificate"},
	} {
		s := newSite(t, ours)
		row.skip(&s.cfg)
		conn, err := s.dial(serve(t, showing(row.leaf.TLS())))
		if err != nil {
			t.Fatal(err)
		}
		conn.Close()
		if got := conn.Session(); got.Unchecked != row.want || got.Server.Serial != row.leaf.Cert.SerialNumber.Text(16) {
			t.Errorf("%+v, want unchecked %s", got, row.want)
		}
	}
}

// A name that the certificate holds is foreign text.
func TestNamesInCertificatesAreMadeSafe(t *testing.T) {
	t.Parallel()
	ca := peertest.NewCA(t, "Root", nil)
	leaf := ca.Server(func(c *x509.Certificate) {
		c.Subject = pkix.Name{CommonName: "\x1b[2J" + strings.Repeat("\u202e", 500), Organization: []string{"\n"}}
	}, "x.example.org")
	_, err := newSite(t, ca).dial(serve(t, showing(leaf.TLS())))
	if text := fmt.Sprint(err); len(text) > 1200 || strings.ContainsAny(text, "\x1b\n\u202e") {
		t.Errorf("%d bytes: %q", len(text), text)
	}
}
