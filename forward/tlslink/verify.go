package tlslink

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"net/netip"
	"strings"
	"time"
)

// verifier settles inside one handshake whether the server is believed.
type verifier struct {
	cfg     *Config
	trust   *material
	now     time.Time
	ctx     context.Context // of the handshake
	leaf    *x509.Certificate
	held    []*x509.Certificate // the chain that is believed
	unknown error               // why it is not known whether one is revoked, where that is let pass
}

// maxShown is how many certificates a server may show: to find out what is wrong costs
// their number squared.
const maxShown = 20

// verify is tls.Config.VerifyConnection. It stands in for what crypto/tls does
// by itself, for it also has to say what exactly is wrong.
func (v *verifier) verify(state tls.ConnectionState) error {
	if len(state.PeerCertificates) == 0 {
		return v.fail(FaultUntrusted, nil, "the server showed no certificate")
	}
	v.leaf = state.PeerCertificates[0]
	if v.cfg.SkipCertificateCheck {
		return nil
	}
	if n := len(state.PeerCertificates); n > maxShown {
		return v.fail(FaultPathTooLong, v.leaf, "the server showed %d certificates; %d are the most", n, maxShown)
	}
	chains, err := v.chains(state.PeerCertificates)
	if err != nil {
		return err
	}
	if err := v.leafIsServers(); err != nil {
		return err
	}
	if !v.cfg.SkipNameCheck {
		if err := v.name(); err != nil {
			return err
		}
	}
	for _, chain := range chains { // one that holds is enough
		if err = v.chain(chain, state.OCSPResponse); err == nil {
			v.held = chain
			return nil
		}
	}
	return err
}

func (v *verifier) fail(fault Fault, cert *x509.Certificate, format string, args ...any) error {
	return &CertificateError{Server: v.cfg.server(), Fault: fault, What: fmt.Sprintf(format, args...), Certificate: identify(cert)}
}

// chains are those from the leaf to an anchor (RFC 5280 section 6.1): there is
// one at least, or an error that says why there is none.
func (v *verifier) chains(shown []*x509.Certificate) ([][]*x509.Certificate, error) {
	options := x509.VerifyOptions{Roots: x509.NewCertPool(), Intermediates: x509.NewCertPool(), CurrentTime: v.now, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth}}
	for _, a := range v.trust.anchors {
		options.Roots.AddCert(a)
	}
	for _, cert := range shown[1:] {
		options.Intermediates.AddCert(cert)
	}
	chains, err := v.leaf.Verify(options)
	if err != nil {
		return nil, v.diagnose(shown, err)
	}
	return chains, nil
}

// leafIsServers holds the leaf to what crypto/x509 lets pass: a certificate
// without extendedKeyUsage, or with anyExtendedKeyUsage alone, is not made for
// servers (RFC 5280 section 4.2.1.12), and its key has to be for signatures,
// since every key exchange that we offer is signed (RFC 8446 section 4.4.2.2).
func (v *verifier) leafIsServers() error {
	forServers := false
	for _, usage := range v.leaf.ExtKeyUsage {
		forServers = forServers || usage == x509.ExtKeyUsageServerAuth
	}
	if !forServers {
		return v.fail(FaultNoServerAuth, v.leaf, "its extendedKeyUsage has no serverAuth")
	}
	if v.leaf.KeyUsage != 0 && v.leaf.KeyUsage&x509.KeyUsageDigitalSignature == 0 {
		return v.fail(FaultNoDigitalSignature, v.leaf, "its keyUsage has no digitalSignature")
	}
	return nil
}

// name compares the names in subjectAltName with the one that is meant
// (RFC 6125 section 6.4, RFC 9525 section 6). A wildcard is one whole leftmost
// label, stands for one label, and leaves at least two behind it.
func (v *verifier) name() error {
	reference := v.cfg.Reference()
	presented := presentedNames(v.leaf)
	if len(presented) == 0 {
		err := v.fail(FaultNoName, v.leaf, "it has no subjectAltName with a DNS name or an IP address").(*CertificateError)
		err.Reference = reference
		return err
	}
	plain := *v.leaf
	plain.DNSNames = nil
	for _, name := range v.leaf.DNSNames {
		if !strings.HasPrefix(name, "*") || strings.Count(strings.TrimSuffix(name, "."), ".") >= 2 {
			plain.DNSNames = append(plain.DNSNames, name)
		}
	}
	host := reference
	if ip, err := netip.ParseAddr(reference); err == nil {
		host = "[" + ip.String() + "]" // never as a name
	}
	if plain.VerifyHostname(host) == nil {
		return nil
	}
	shown := strings.Join(presented[:min(len(presented), 5)], ", ")
	err := v.fail(FaultNameMismatch, v.leaf, "it is for %s, and %s is meant", shown, reference).(*CertificateError)
	err.Presented, err.Reference = shown, reference
	return err
}

func presentedNames(cert *x509.Certificate) (names []string) {
	for _, name := range cert.DNSNames {
		names = append(names, fewWords(name))
	}
	for _, ip := range cert.IPAddresses {
		names = append(names, ip.String())
	}
	return names
}

// chain holds one chain to all that is asked of it beyond crypto/x509.
func (v *verifier) chain(chain []*x509.Certificate, stapled []byte) error {
	for i, cert := range chain {
		if fault, what := keyFault(cert.PublicKey); fault != "" {
			return v.fail(fault, cert, "%s", what)
		}
		if i == 0 {
			continue
		}
		if fault, what := issuerFault(cert); fault != "" {
			return v.fail(fault, cert, "%s", what)
		}
	}
	for i, cert := range chain[:len(chain)-1] { // an anchor is revoked by taking it out of ca-file
		if i > 0 {
			stapled = nil // crypto/tls hands over the leaf's alone
		}
		if err := v.revocation(cert, chain[i+1], stapled); err != nil {
			return err
		}
	}
	return nil
}

// diagnose says why there is no chain. crypto/x509 says it of the last it tried
// only, and of an issuer that may not issue it says that there is none: so the
// certificates that the server showed are gone through once more, from the leaf
// upwards, and the first that has something wrong is named.
func (v *verifier) diagnose(shown []*x509.Certificate, verdict error) error {
	at := v.leaf
	for range len(shown) + 1 {
		if err := v.alone(at); err != nil {
			return err
		}
		issuer := v.issuerOf(at, shown)
		if issuer == nil {
			return v.fail(FaultUntrusted, at, "nobody vouches for it: neither ca-file nor what the server showed has its issuer")
		}
		if at != v.leaf || issuer != at {
			if fault, what := issuerFault(issuer); fault != "" {
				return v.fail(fault, issuer, "%s", what)
			}
			if err := issuer.CheckSignature(at.SignatureAlgorithm, at.RawTBSCertificate, at.Signature); err != nil {
				return v.badSignature(at, err)
			}
		}
		if v.isAnchor(issuer) {
			if err := v.alone(issuer); err != nil {
				return err
			}
			return v.byVerdict(verdict)
		}
		if issuer == at || isSelfIssued(issuer) {
			return v.fail(FaultUntrusted, at, "its root %s is not in ca-file", fewWords(issuer.Subject.String()))
		}
		at = issuer
	}
	return v.byVerdict(verdict)
}

// alone is what can be wrong with a certificate whoever issued it.
func (v *verifier) alone(cert *x509.Certificate) error {
	switch {
	case v.now.After(cert.NotAfter):
		return v.fail(FaultExpired, cert, "its validity ended %s", cert.NotAfter.UTC().Format(time.RFC3339))
	case v.now.Before(cert.NotBefore):
		return v.fail(FaultNotYetValid, cert, "its validity begins %s", cert.NotBefore.UTC().Format(time.RFC3339))
	case len(cert.UnhandledCriticalExtensions) > 0:
		return v.fail(FaultCriticalExtension, cert, "its critical extension %s is not known here", cert.UnhandledCriticalExtensions[0])
	}
	return nil
}

// issuerOf prefers whoever really signed it to whoever is only called so.
func (v *verifier) issuerOf(cert *x509.Certificate, shown []*x509.Certificate) *x509.Certificate {
	var named *x509.Certificate
	for _, pool := range [][]*x509.Certificate{v.trust.anchors, shown} {
		for _, candidate := range pool {
			if string(candidate.RawSubject) != string(cert.RawIssuer) {
				continue
			}
			if candidate.CheckSignature(cert.SignatureAlgorithm, cert.RawTBSCertificate, cert.Signature) == nil {
				return candidate
			}
			if named == nil && !candidate.Equal(cert) {
				named = candidate
			}
		}
	}
	return named
}

func (v *verifier) isAnchor(cert *x509.Certificate) bool {
	for _, a := range v.trust.anchors {
		if a.Equal(cert) {
			return true
		}
	}
	return false
}

func (v *verifier) badSignature(cert *x509.Certificate, err error) error {
	var weak x509.InsecureAlgorithmError
	if errors.As(err, &weak) {
		return v.fail(FaultWeakSignature, cert, "it is signed with %s", cert.SignatureAlgorithm)
	}
	return v.fail(FaultBadSignature, cert, "its signature does not hold: %s", fewWords(strings.TrimPrefix(err.Error(), "x509: ")))
}

// byVerdict takes crypto/x509's word where every certificate for itself is in
// order.
func (v *verifier) byVerdict(verdict error) error {
	fault, cert := FaultUntrusted, v.leaf
	var invalid x509.CertificateInvalidError
	if errors.As(verdict, &invalid) {
		cert = invalid.Cert
		switch invalid.Reason {
		case x509.TooManyIntermediates:
			fault = FaultPathTooLong
		case x509.IncompatibleUsage:
			fault = FaultNoServerAuth
		case x509.CANotAuthorizedForThisName, x509.UnconstrainedName, x509.TooManyConstraints, x509.NameConstraintsWithoutSANs:
			fault = FaultNameConstraint
		case x509.NotAuthorizedToSign:
			fault = FaultNotCA
		}
	}
	return v.fail(fault, cert, "%s", fewWords(strings.TrimPrefix(verdict.Error(), "x509: ")))
}
