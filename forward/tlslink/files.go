package tlslink

import (
	"bytes"
	"crypto"
	"crypto/tls"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"strings"

	"auditbridge/internal/keyfile"
)

// material is what the files hold at one moment. They are read at each
// connection, so that one that was replaced counts from then on.
type material struct {
	anchors []*x509.Certificate
	crls    []*x509.RevocationList
	own     *tls.Certificate // nil: we show none
}

// reader reads one of the files; keyfile.Read for who connects, and something
// that does not ask whose they are for who checks.
type reader func(key, path string, forbidden uint32) ([]byte, error)

func (c *Config) load(read reader, open opener) (*material, error) {
	var m material
	if !c.SkipCertificateCheck {
		text, err := read("ca-file", c.CAFile, keyfile.Public)
		if err != nil {
			return nil, err
		}
		if m.anchors, err = parseAnchors(c.CAFile, text); err != nil {
			return nil, err
		}
		if c.CRLFile != "" {
			if text, err = read("crl-file", c.CRLFile, keyfile.Public); err != nil {
				return nil, err
			}
			if m.crls, err = parseCRLs(c.CRLFile, text); err != nil {
				return nil, err
			}
		}
	}
	var err error
	m.own, err = c.loadOwn(read, open, m.anchors)
	return &m, err
}

// loadOwn reads our certificate with its key, in whichever form.
func (c *Config) loadOwn(read reader, open opener, anchors []*x509.Certificate) (own *tls.Certificate, err error) {
	key, path := "certificate-file", c.CertificateFile
	switch {
	case c.PKCS12File != "":
		key, path = "pkcs12-file", c.PKCS12File
		own, err = c.loadPKCS12(read, open)
	case c.CertificateFile != "":
		own, err = c.loadPEM(read)
	default:
		return nil, nil
	}
	if err != nil {
		return nil, err
	}
	if len(anchors) == 0 { // skip-certificate-check: there is nothing to hold it against
		return own, nil
	}
	return own, checkRoot(key, path, own, anchors)
}

func (c *Config) loadPEM(read reader) (*tls.Certificate, error) {
	text, err := read("certificate-file", c.CertificateFile, keyfile.Public)
	if err != nil {
		return nil, err
	}
	chain, err := parseCertificates(text)
	if err != nil || len(chain) == 0 {
		return nil, &keyfile.Error{Key: "certificate-file", Path: c.CertificateFile, Problem: "there is no certificate in it that can be used", Advice: "name a file of certificates in PEM, ours first", Err: err}
	}
	secret, err := read("key-file", c.KeyFile, keyfile.Secret)
	if err != nil {
		return nil, err
	}
	defer clear(secret)
	key, err := parseKey(c.KeyFile, secret)
	if err != nil {
		return nil, err
	}
	return pair("key-file", c.KeyFile, chain, key)
}

// parseKey reads a private key in PEM.
func parseKey(path string, text []byte) (crypto.PrivateKey, error) {
	fail := func(problem string, err error) error {
		return &keyfile.Error{Key: "key-file", Path: path, Problem: problem, Advice: "name the private key in PEM without a passphrase; auditbridge csr makes one", Err: err}
	}
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			return nil, fail("there is no private key in it", nil)
		}
		if block.Type == "ENCRYPTED PRIVATE KEY" || strings.Contains(block.Headers["Proc-Type"], "ENCRYPTED") {
			return nil, fail("the key is protected by a passphrase, and nobody is there to type it", nil)
		}
		if !strings.HasSuffix(block.Type, "PRIVATE KEY") {
			continue // EC PARAMETERS, or a certificate before it
		}
		key, err := parsePrivate(block.Bytes)
		if err != nil {
			return nil, fail("the private key cannot be read", nil) // the cause could hold some of it
		}
		return key, nil
	}
}

func parsePrivate(der []byte) (crypto.PrivateKey, error) {
	if key, err := x509.ParsePKCS8PrivateKey(der); err == nil {
		return key, nil
	}
	if key, err := x509.ParsePKCS1PrivateKey(der); err == nil {
		return key, nil
	}
	return x509.ParseECPrivateKey(der)
}

// pair puts certificate and key together, if they are of each other.
func pair(name, path string, chain []*x509.Certificate, key crypto.PrivateKey) (*tls.Certificate, error) {
	fail := func(problem string) error {
		return &keyfile.Error{Key: name, Path: path, Problem: problem, Advice: "take the key for which the certificate was issued; auditbridge csr makes both ends"}
	}
	signer, ok := key.(crypto.Signer)
	if !ok {
		return nil, fail(fmt.Sprintf("a %T cannot sign", key))
	}
	public, ok := signer.Public().(interface{ Equal(crypto.PublicKey) bool })
	if !ok || !public.Equal(chain[0].PublicKey) {
		return nil, fail("the private key is not that of the certificate " + identify(chain[0]).String())
	}
	if fault, what := keyFault(chain[0].PublicKey); fault != "" {
		return nil, fail(fmt.Sprintf("%s: %s", fault, what))
	}
	own := &tls.Certificate{PrivateKey: key, Leaf: chain[0]}
	for _, cert := range chain {
		if len(own.Certificate) == 0 || !isSelfIssued(cert) { // the root need not be shown
			own.Certificate = append(own.Certificate, cert.Raw)
		}
	}
	return own, nil
}

func isSelfIssued(cert *x509.Certificate) bool {
	return bytes.Equal(cert.RawSubject, cert.RawIssuer)
}

// checkRoot refuses a certificate of ours that comes from elsewhere than the
// server's: who mistook one file for another would look for the reason on the
// server, which says least about it. That ours has expired is for the server to
// say.
func checkRoot(name, path string, own *tls.Certificate, anchors []*x509.Certificate) error {
	roots, between := x509.NewCertPool(), x509.NewCertPool()
	var trusted []string
	for _, a := range anchors {
		roots.AddCert(a)
		trusted = append(trusted, fewWords(a.Subject.String()))
	}
	last := own.Leaf
	for _, der := range own.Certificate[1:] {
		if cert, err := x509.ParseCertificate(der); err == nil {
			between.AddCert(cert)
			if bytes.Equal(cert.RawSubject, last.RawIssuer) {
				last = cert
			}
		}
	}
	options := x509.VerifyOptions{Roots: roots, Intermediates: between, CurrentTime: own.Leaf.NotBefore, KeyUsages: []x509.ExtKeyUsage{x509.ExtKeyUsageAny}}
	for _, at := range []*x509.Certificate{own.Leaf, last} {
		if options.CurrentTime.Before(at.NotBefore) {
			options.CurrentTime = at.NotBefore
		}
	}
	_, err := own.Leaf.Verify(options)
	var stranger x509.UnknownAuthorityError
	if !errors.As(err, &stranger) {
		return nil
	}
	return &keyfile.Error{Key: name, Path: path,
		Problem: fmt.Sprintf("the certificate %s comes from the root %s, and ca-file has %s", identify(own.Leaf), fewWords(last.Issuer.String()), strings.Join(trusted[:min(len(trusted), 3)], ", ")),
		Advice:  "take one from the same root as the server's"}
}
