package tlslink

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/rsa"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"

	"auditbridge/internal/keyfile"
)

// parseAnchors reads the trust store. Whatever stands in it is believed for any
// name, so a certificate that is not made for that is an error of the file: a
// server's own certificate put there would make it its own authority.
func parseAnchors(path string, text []byte) ([]*x509.Certificate, error) {
	fail := func(problem, advice string) error {
		return &keyfile.Error{Key: "ca-file", Path: path, Problem: problem, Advice: advice}
	}
	anchors, err := parseCertificates(text)
	if err != nil {
		return nil, fail(err.Error(), "name a file of certificates in PEM")
	}
	if len(anchors) == 0 {
		return nil, fail("there is no certificate in it: nobody would be believed", "put the root certificate of the log server there, in PEM")
	}
	for _, a := range anchors {
		if fault, what := issuerFault(a); fault != "" {
			return nil, fail(fmt.Sprintf("%s: %s: %s", identify(a), fault, what), "put root certificates there, not the server's own")
		}
		if fault, what := keyFault(a.PublicKey); fault != "" {
			return nil, fail(fmt.Sprintf("%s: %s: %s", identify(a), fault, what), "take a root with a longer key")
		}
	}
	return anchors, nil
}

// parseCertificates reads every certificate of a PEM file. Text between the
// blocks is for people; a block of another kind may be a key, which has no
// business there.
func parseCertificates(text []byte) (all []*x509.Certificate, err error) {
	for {
		var block *pem.Block
		if block, text = pem.Decode(text); block == nil {
			break
		}
		if block.Type != "CERTIFICATE" {
			return nil, fmt.Errorf("it holds a %q, which is no certificate", fewWords(block.Type))
		}
		cert, err := x509.ParseCertificate(block.Bytes)
		if err != nil {
			return nil, fmt.Errorf("certificate %d cannot be read: %s: %s", len(all)+1, FaultMalformed, fewWords(err.Error()))
		}
		all = append(all, cert)
	}
	if bytes.Contains(text, []byte("-----BEGIN")) {
		return nil, errors.New("a PEM block is damaged")
	}
	return all, nil
}

// issuerFault is what keeps a certificate from being an issuer's: RFC 5280
// sections 4.2.1.9 and 4.2.1.3 demand both extensions of each. crypto/x509
// takes an absent keyUsage for any use.
func issuerFault(ca *x509.Certificate) (Fault, string) {
	switch {
	case ca.Version < 3 || !ca.BasicConstraintsValid:
		return FaultNoConstraints, "it has no basicConstraints, and stands where a CA's certificate has to"
	case !ca.IsCA:
		return FaultNotCA, "its basicConstraints say that it is no CA's"
	case ca.KeyUsage&x509.KeyUsageCertSign == 0:
		return FaultNoCertSign, "its keyUsage has no keyCertSign"
	}
	return "", ""
}

const minRSA = 2048

// keyFault is about keys that can be broken today, or that nobody knows.
func keyFault(key any) (Fault, string) {
	switch key := key.(type) {
	case *rsa.PublicKey:
		if n := key.N.BitLen(); n < minRSA {
			return FaultWeakKey, fmt.Sprintf("its RSA key has %d bits, fewer than %d", n, minRSA)
		}
	case *ecdsa.PublicKey:
		if n := key.Curve.Params().BitSize; n < 256 {
			return FaultWeakKey, fmt.Sprintf("its curve has %d bits", n)
		}
	case ed25519.PublicKey:
	default:
		return FaultWeakKey, fmt.Sprintf("its key is a %T", key)
	}
	return "", ""
}
