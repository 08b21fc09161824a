package peertest

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"path/filepath"
	"testing"
	"time"
)

// Identity is a certificate with its private key.
type Identity struct {
	t      testing.TB
	Cert   *x509.Certificate
	Key    crypto.Signer
	issuer *Identity
}

// NewCA makes a root. change, which may be nil, makes it an unusual one.
func NewCA(t testing.TB, name string, change func(*x509.Certificate)) *Identity {
	t.Helper()
	return newIdentity(t, nil, authority(name), change)
}

// CA makes an authority below this one.
func (i *Identity) CA(name string, change func(*x509.Certificate)) *Identity {
	i.t.Helper()
	return newIdentity(i.t, i, authority(name), change)
}

// Server makes a server's certificate for the names, which may be IP addresses.
func (i *Identity) Server(change func(*x509.Certificate), names ...string) *Identity {
	i.t.Helper()
	template := entity("log server", x509.ExtKeyUsageServerAuth)
	for _, name := range names {
		if ip := net.ParseIP(name); ip != nil {
			template.IPAddresses = append(template.IPAddresses, ip)
		} else {
			template.DNSNames = append(template.DNSNames, name)
		}
	}
	return newIdentity(i.t, i, template, change)
}

// Client makes a client's certificate.
func (i *Identity) Client(name string, change func(*x509.Certificate)) *Identity {
	i.t.Helper()
	return newIdentity(i.t, i, entity(name, x509.ExtKeyUsageClientAuth), change)
}

func authority(name string) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, BasicConstraintsValid: true, IsCA: true, KeyUsage: x509.KeyUsageCertSign | x509.KeyUsageCRLSign}
}

func entity(name string, usage x509.ExtKeyUsage) *x509.Certificate {
	return &x509.Certificate{Subject: pkix.Name{CommonName: name}, KeyUsage: x509.KeyUsageDigitalSignature, ExtKeyUsage: []x509.ExtKeyUsage{usage}, BasicConstraintsValid: true}
}

func newIdentity(t testing.TB, issuer *Identity, template *x509.Certificate, change func(*x509.Certificate)) *Identity {
	t.Helper()
	serial, err := rand.Int(rand.Reader, big.NewInt(1<<62))
	if err != nil {
		t.Fatal(err)
	}
	template.SerialNumber = serial
	template.NotBefore, template.NotAfter = time.Now().Add(-time.Hour), time.Now().Add(100*24*time.Hour)
	if change != nil {
		change(template)
	}
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	parent, signer := template, crypto.Signer(key)
	if issuer != nil {
		parent, signer = issuer.Cert, issuer.Key
	}
	der, err := x509.CreateCertificate(rand.Reader, template, parent, key.Public(), signer)
	if err != nil {
		t.Fatal(err)
	}
	cert, err := x509.ParseCertificate(der)
	if err != nil {
		t.Fatal(err)
	}
	return &Identity{t: t, Cert: cert, Key: key, issuer: issuer}
}

// PEM is the certificate, and those that lead from it to its root, the root left
// out unless it is the root itself.
func (i *Identity) PEM() []byte {
	text := pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: i.Cert.Raw})
	if i.issuer != nil && i.issuer.issuer != nil {
		text = append(text, i.issuer.PEM()...)
	}
	return text
}

// KeyPEM is the private key.
func (i *Identity) KeyPEM() []byte {
	i.t.Helper()
	der, err := x509.MarshalPKCS8PrivateKey(i.Key)
	if err != nil {
		i.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
}

// TLS is the identity as a server or client of crypto/tls shows it.
func (i *Identity) TLS() tls.Certificate {
	own := tls.Certificate{PrivateKey: i.Key}
	for at := i; at != nil && (at == i || at.issuer != nil); at = at.issuer {
		own.Certificate = append(own.Certificate, at.Cert.Raw)
	}
	return own
}

// Write puts certificate and key into dir as name.pem and name.key and returns
// the paths.
func (i *Identity) Write(dir, name string) (cert, key string) {
	i.t.Helper()
	cert, key = filepath.Join(dir, name+".pem"), filepath.Join(dir, name+".key")
	writeFile(i.t, cert, string(i.PEM()), 0o644)
	writeFile(i.t, key, string(i.KeyPEM()), 0o600)
	return cert, key
}

// Sign issues what a certificate request asks for, in PEM.
func (i *Identity) Sign(request []byte) []byte {
	i.t.Helper()
	block, _ := pem.Decode(request)
	if block == nil {
		i.t.Fatalf("no request: %q", request)
	}
	asked, err := x509.ParseCertificateRequest(block.Bytes)
	if err != nil {
		i.t.Fatal(err)
	}
	if err := asked.CheckSignature(); err != nil {
		i.t.Fatal(err)
	}
	template := entity("", x509.ExtKeyUsageClientAuth)
	template.Subject, template.DNSNames, template.IPAddresses = asked.Subject, asked.DNSNames, asked.IPAddresses
	template.SerialNumber, template.NotBefore, template.NotAfter = big.NewInt(time.Now().UnixNano()), time.Now().Add(-time.Hour), time.Now().Add(100*24*time.Hour)
	der, err := x509.CreateCertificate(rand.Reader, template, i.Cert, asked.PublicKey, i.Key)
	if err != nil {
		i.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "CERTIFICATE", Bytes: der})
}

// CRL is a list by this authority of what it revoked. change may be nil.
func (i *Identity) CRL(change func(*x509.RevocationList), revoked ...*Identity) []byte {
	i.t.Helper()
	list := &x509.RevocationList{Number: big.NewInt(1), ThisUpdate: time.Now().Add(-time.Hour), NextUpdate: time.Now().Add(time.Hour)}
	for _, r := range revoked {
		list.RevokedCertificateEntries = append(list.RevokedCertificateEntries, x509.RevocationListEntry{SerialNumber: r.Cert.SerialNumber, RevocationTime: time.Now().Add(-time.Minute)})
	}
	if change != nil {
		change(list)
	}
	signer := *i.Cert
	signer.KeyUsage |= x509.KeyUsageCRLSign // crypto/x509 refuses to make an unfit one
	der, err := x509.CreateRevocationList(rand.Reader, list, &signer, i.Key)
	if err != nil {
		i.t.Fatal(err)
	}
	return pem.EncodeToMemory(&pem.Block{Type: "X509 CRL", Bytes: der})
}
