package tlslink

import (
	"crypto"
	"crypto/sha256"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"

	"auditbridge/internal/keyfile"
)

// Content names what a file holds, so that another content is told from it.
type Content struct {
	Key  string // of the configuration; behind ca-file, a root's number in brackets
	File string
	What string // which certificate or key, never a secret; "" when it cannot be read
}

// Contents looks into every file, and into each for itself: one that cannot be
// read hides no other. Each root that is believed is named.
func (v *Viewer) Contents(c Config) (all []Content) {
	for _, f := range []struct {
		key, file string
		what      func() string
	}{
		{"ca-file", c.CAFile, func() string { return digest(c.CAFile) }},
		{"crl-file", c.CRLFile, func() string { return digest(c.CRLFile) }},
		{"certificate-file", c.CertificateFile, func() string {
			text, _ := keyfile.Look(c.CertificateFile)
			if chain, err := parseCertificates(text); err == nil && len(chain) > 0 {
				return identify(chain[0]).String()
			}
			return ""
		}},
		{"key-file", c.KeyFile, func() string {
			text, _ := keyfile.Look(c.KeyFile)
			defer clear(text)
			if key, err := parseKey(c.KeyFile, text); err == nil {
				return fingerprint(key)
			}
			return ""
		}},
		{"pkcs12-file", c.PKCS12File, func() string {
			if own, err := c.loadPKCS12(lookAtAny, v.open); err == nil {
				return identify(own.Leaf).String()
			}
			return ""
		}},
	} {
		if f.file == "" {
			continue
		}
		all = append(all, Content{f.key, f.file, f.what()})
		if f.key == "ca-file" {
			all = append(all, c.roots()...)
		}
	}
	return all
}

func (c Config) roots() (all []Content) {
	text, _ := keyfile.Look(c.CAFile)
	roots, _ := parseCertificates(text)
	for _, root := range roots {
		sum := sha256.Sum256(root.Raw)
		all = append(all, Content{"ca-file[" + hex.EncodeToString(sum[:8]) + "]", c.CAFile, identify(root).String()})
	}
	return all
}

func digest(path string) string {
	text, err := keyfile.Look(path)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(text)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}

// fingerprint is of a private key's public half.
func fingerprint(key any) string {
	signer, ok := key.(crypto.Signer)
	if !ok {
		return ""
	}
	der, err := x509.MarshalPKIXPublicKey(signer.Public())
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(der)
	return "SHA256:" + base64.RawStdEncoding.EncodeToString(sum[:])
}
