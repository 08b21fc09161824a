package tlslink

import (
	"cmp"
	"crypto/sha256"
	"crypto/x509"
	"fmt"
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

// Viewer looks into the files of destinations, whoever may read them, for who checks a
// configuration and connects nowhere. A PKCS#12 file that several name it opens once, for
// that is made to be costly; so it is for one look at them all, and then to be let go of,
// with what is secret in it.
type Viewer struct{ seen map[[sha256.Size]byte]view }

type view struct {
	in  opened
	err error
}

// open is decodePKCS12, once for each file and password.
func (v *Viewer) open(text []byte, word string) (opened, error) {
	both := fmt.Appendf(nil, "%q%s", word, text)
	defer clear(both)
	of := sha256.Sum256(both)
	known, is := v.seen[of]
	if !is {
		known.in, known.err = decodePKCS12(text, word)
		if v.seen == nil {
			v.seen = map[[sha256.Size]byte]view{}
		}
		v.seen[of] = known
	}
	return known.in, known.err
}

func lookAtAny(_, path string, _ uint32) ([]byte, error) { return keyfile.Look(path) }

// Look reads the files and says what they hold, whoever may read them. Whoever
// looks may be another user than the one who connects. What is wrong with one is
// a *keyfile.Error, or the system's own error.
func (v *Viewer) Look(c Config) (*Held, error) {
	m, err := c.load(lookAtAny, v.open)
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
