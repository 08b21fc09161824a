package tlslink

import (
	"cmp"
	"crypto/x509"
	"slices"

	"auditbridge/internal/keyfile"
)

// Held is what the files hold: whom we believe and who we are.
type Held struct {
	Anchors []ID
	Own     *ID // nil: we show no certificate
	// Expiring is the certificate without which nothing is sent any more and that expires
	// first: ours, what leads from it to its root, or the root that is believed the
	// longest, for which of several the server is of is not known here.
	Expiring *ID
	File     string // that holds it
}

// Look reads the files and says what they hold, whoever may read them. Whoever
// looks may be another user than the one who connects. What is wrong with one is
// a *keyfile.Error, or the system's own error.
func (c Config) Look() (*Held, error) {
	m, err := c.load(func(_, path string, _ uint32) ([]byte, error) { return keyfile.Look(path) })
	if err != nil {
		return nil, err
	}
	held := new(Held)
	for _, a := range m.anchors {
		held.Anchors = append(held.Anchors, *identify(a))
	}
	if m.own != nil {
		held.Own = identify(m.own.Leaf)
	}
	held.expiring(&c, m)
	return held, nil
}

func (h *Held) expiring(c *Config, m *material) {
	sooner := func(a, b *x509.Certificate) int { return a.NotAfter.Compare(b.NotAfter) }
	first := func(file string, certs []*x509.Certificate) {
		if cert := slices.MinFunc(certs, sooner); h.Expiring == nil || cert.NotAfter.Before(h.Expiring.NotAfter) {
			h.Expiring, h.File = identify(cert), file
		}
	}
	if len(m.anchors) > 0 {
		first(c.CAFile, []*x509.Certificate{slices.MaxFunc(m.anchors, sooner)})
	}
	if m.own != nil {
		chain := []*x509.Certificate{m.own.Leaf}
		for _, der := range m.own.Certificate[1:] {
			if cert, err := x509.ParseCertificate(der); err == nil {
				chain = append(chain, cert)
			}
		}
		first(cmp.Or(c.PKCS12File, c.CertificateFile), chain)
	}
}
