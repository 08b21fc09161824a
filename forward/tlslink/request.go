package tlslink

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/rsa"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"encoding/pem"
	"fmt"
	"net/netip"
	"strings"

	"auditbridge/internal/keyfile"
)

// KeyKinds are the kinds of key that NewKey makes, the default first.
var KeyKinds = []string{"ecdsa-p256", "ecdsa-p384", "rsa-3072"}

// NewKey makes a private key, in PEM. It is the caller's to clear.
func NewKey(kind string) (text []byte, err error) {
	var key crypto.Signer
	switch kind {
	case "ecdsa-p256":
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case "ecdsa-p384":
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case "rsa-3072":
		key, err = rsa.GenerateKey(rand.Reader, 3072)
	default:
		return nil, fmt.Errorf("make a key: %q is none of %s", kind, strings.Join(KeyKinds, " "))
	}
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	der, err := x509.MarshalPKCS8PrivateKey(key)
	if err != nil {
		return nil, fmt.Errorf("make a key: %w", err)
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der}), nil
}

// Request makes a request (PKCS#10, RFC 2986) for a client's certificate, in PEM,
// for the key in a file. The names go into subjectAltName, addresses as such.
// fingerprint is the key's, by its public half.
func Request(keyFile string, subject pkix.Name, names []string) (text []byte, fingerprintOf string, err error) {
	secret, err := keyfile.Look(keyFile)
	if err != nil {
		return nil, "", err
	}
	defer clear(secret)
	key, err := parseKey(keyFile, secret)
	if err != nil {
		return nil, "", err
	}
	template := &x509.CertificateRequest{Subject: subject, ExtraExtensions: clientExtensions}
	for _, name := range names {
		if ip, err := netip.ParseAddr(name); err == nil {
			template.IPAddresses = append(template.IPAddresses, ip.AsSlice())
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	der, err := x509.CreateCertificateRequest(rand.Reader, template, key)
	if err != nil {
		return nil, "", fmt.Errorf("make a certificate request: %w", err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE REQUEST", Bytes: der}), fingerprint(key), nil
}

// clientExtensions ask for what a client's certificate is for: keyUsage
// digitalSignature and extendedKeyUsage clientAuth (RFC 5280 sections 4.2.1.3 and
// 4.2.1.12).
var clientExtensions = []pkix.Extension{
	{Id: asn1.ObjectIdentifier{2, 5, 29, 15}, Critical: true, Value: []byte{0x03, 0x02, 0x07, 0x80}},
	{Id: asn1.ObjectIdentifier{2, 5, 29, 37}, Value: []byte{0x30, 0x0a, 0x06, 0x08, 0x2b, 0x06, 0x01, 0x05, 0x05, 0x07, 0x03, 0x02}},
}
