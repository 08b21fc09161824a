package tlslink

import (
	"bytes"
	"crypto/sha256"
	"crypto/x509"
	"encoding/pem"
	"fmt"
	"os"
	"strings"
	"time"

	"auditbridge/internal/keyfile"
)

// Identity is our certificate and its key, in PEM whatever form they came in.
type Identity struct {
	Chain       []byte // ours first, then what leads to its root
	Key         []byte // PKCS#8, without a passphrase: whoever has it clears it
	ID          ID
	NotBefore   time.Time
	Fingerprint string // SHA-256 of the certificate, as openssl x509 -fingerprint has it
}

// Identity reads our certificate with its key, nil where c names none. They have to be
// of each other and, where c has a ca-file, of one of its roots. Nobody but its owner
// may be able to read what is secret; who that is does not matter, for this is for
// whoever puts them where the sender reads them. What is wrong is a *keyfile.Error, or
// the system's own error.
func (c Config) Identity() (*Identity, error) {
	c.SkipCertificateCheck = c.CAFile == ""
	m, err := c.load(lookClosed, decodePKCS12)
	if err != nil || m.own == nil {
		return nil, err
	}
	der, err := x509.MarshalPKCS8PrivateKey(m.own.PrivateKey)
	if err != nil {
		return nil, fmt.Errorf("write a private key: %w", err)
	}
	defer clear(der)
	leaf := m.own.Leaf
	sum := sha256.Sum256(leaf.Raw)
	own := &Identity{ID: *identify(leaf), NotBefore: leaf.NotBefore, Fingerprint: strings.ReplaceAll(fmt.Sprintf("% X", sum), " ", ":")}
	own.Key = pem.EncodeToMemory(&pem.Block{Type: "PRIVATE KEY", Bytes: der})
	var chain bytes.Buffer
	for _, der := range m.own.Certificate {
		pem.Encode(&chain, &pem.Block{Type: "CERTIFICATE", Bytes: der}) // a buffer takes everything
	}
	own.Chain = chain.Bytes()
	return own, nil
}

// Current is an error for a certificate that no server takes at that time.
func (i *Identity) Current(now time.Time) error {
	switch {
	case now.After(i.ID.NotAfter):
		return fmt.Errorf("the certificate %s has expired on %s", &i.ID, i.ID.NotAfter.UTC().Format(time.RFC3339))
	case now.Before(i.NotBefore):
		return fmt.Errorf("the certificate %s is not valid before %s", &i.ID, i.NotBefore.UTC().Format(time.RFC3339))
	}
	return nil
}

// lookClosed is keyfile.Look, for what is as closed to others as it has to be.
func lookClosed(key, path string, forbidden uint32) ([]byte, error) {
	if info, err := os.Stat(path); err == nil && forbidden == keyfile.Secret {
		if mode := info.Mode().Perm(); mode&keyfile.Secret != 0 {
			return nil, &keyfile.Error{Key: key, Path: path, Problem: fmt.Sprintf("its mode %04o lets others at it", mode), Advice: fmt.Sprintf("chmod %04o %s", mode&^keyfile.Secret, path)}
		}
	}
	return keyfile.Look(path)
}
