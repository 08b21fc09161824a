package seal

import (
	"bytes"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/sha512"
	"crypto/x509"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"log/slog"
)

// Signer signs checkpoints. PrivateKey is one; a hardware key may be another.
type Signer interface {
	Public() PublicKey
	// Sign returns the signature of msg, in the form the public key's
	// algorithm fixes.
	Sign(msg []byte) ([]byte, error)
}

// PrivateKey is a signing key held in memory. However it is printed or logged,
// only its public half shows.
type PrivateKey struct {
	secret crypto.Signer // ed25519.PrivateKey or *ecdsa.PrivateKey on P-384
	public PublicKey
}

// GenerateKey makes a new key from the system's random source.
func GenerateKey(algorithm Algorithm) (*PrivateKey, error) {
	switch algorithm {
	case Ed25519:
		_, secret, err := ed25519.GenerateKey(rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("generate signing key: %w", err)
		}
		return newPrivateKey(secret)
	case ECDSAP384:
		secret, err := ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
		if err != nil {
			return nil, fmt.Errorf("generate signing key: %w", err)
		}
		return newPrivateKey(secret)
	}
	return nil, fmt.Errorf("generate signing key: algorithm %.20q: want %s or %s", algorithm, Ed25519, ECDSAP384)
}

const pemType = "PRIVATE KEY" // PKCS#8, RFC 5958

// ParsePrivateKey reads a key as MarshalPEM writes it: one PKCS#8 PEM block
// and nothing else. The caller may wipe data afterwards.
func ParsePrivateKey(data []byte) (*PrivateKey, error) {
	block, rest := pem.Decode(data)
	if block == nil || block.Type != pemType || len(bytes.TrimSpace(rest)) != 0 {
		return nil, errors.New("parse signing key: not one PKCS#8 PEM block")
	}
	defer clear(block.Bytes)
	secret, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	if err != nil {
		// The parser's own words could quote key bytes; they are not passed on.
		return nil, errors.New("parse signing key: malformed PKCS#8")
	}
	return newPrivateKey(secret)
}

// MarshalPEM returns the key as PKCS#8 in PEM. The caller owns the bytes and
// should clear them once they are written.
func (k *PrivateKey) MarshalPEM() ([]byte, error) {
	der, err := x509.MarshalPKCS8PrivateKey(k.secret)
	if err != nil {
		return nil, errors.New("encode signing key: cannot be written as PKCS#8")
	}
	defer clear(der)
	return pem.EncodeToMemory(&pem.Block{Type: pemType, Bytes: der}), nil
}

func newPrivateKey(secret any) (*PrivateKey, error) {
	switch secret := secret.(type) {
	case ed25519.PrivateKey:
		public := secret.Public().(ed25519.PublicKey)
		return &PrivateKey{secret, PublicKey{Ed25519, string(public)}}, nil
	case *ecdsa.PrivateKey:
		if secret.Curve != elliptic.P384() {
			return nil, errors.New("parse signing key: an ECDSA key must be on curve P-384")
		}
		point, err := secret.PublicKey.Bytes()
		if err != nil {
			return nil, errors.New("parse signing key: ecdsa-p384: not a valid key")
		}
		return &PrivateKey{secret, PublicKey{ECDSAP384, string(point)}}, nil
	}
	return nil, fmt.Errorf("parse signing key: neither %s nor %s", Ed25519, ECDSAP384)
}

// Public returns the key's public half.
func (k *PrivateKey) Public() PublicKey { return k.public }

// Sign signs msg.
func (k *PrivateKey) Sign(msg []byte) ([]byte, error) {
	switch secret := k.secret.(type) {
	case ed25519.PrivateKey:
		return ed25519.Sign(secret, msg), nil
	case *ecdsa.PrivateKey:
		digest := sha512.Sum384(msg)
		r, s, err := ecdsa.Sign(rand.Reader, secret, digest[:])
		if err != nil {
			return nil, fmt.Errorf("sign checkpoint: %s: %w", k.public.algorithm, err)
		}
		sig := make([]byte, 2*p384Scalar)
		r.FillBytes(sig[:p384Scalar])
		s.FillBytes(sig[p384Scalar:])
		return sig, nil
	}
	return nil, errors.New("sign checkpoint: no key")
}

// String shows the public half only; so do Format, for every verb, LogValue and
// MarshalText: what prints, logs or encodes a key by mistake gives nothing away.
func (k *PrivateKey) String() string {
	if k == nil {
		return "no signing key"
	}
	return "signing key of " + k.public.String()
}

func (k *PrivateKey) Format(f fmt.State, _ rune)   { io.WriteString(f, k.String()) }
func (k *PrivateKey) LogValue() slog.Value         { return slog.StringValue(k.String()) }
func (k *PrivateKey) MarshalText() ([]byte, error) { return []byte(k.String()), nil }
