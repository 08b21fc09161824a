package seal

import (
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/sha256"
	"crypto/sha512"
	"encoding/base64"
	"encoding/hex"
	"fmt"
	"math/big"
	"strings"
)

// Algorithm names a signature scheme as it stands in a key's text form.
type Algorithm string

const (
	Ed25519   Algorithm = "ed25519"    // RFC 8032; 32-byte key, 64-byte signature
	ECDSAP384 Algorithm = "ecdsa-p384" // FIPS 186-5 over SHA-384; uncompressed point, signature r‖s of 48 bytes each
)

// p384Scalar is the length in bytes of r and of s.
const p384Scalar = 48

// strictBase64 is RFC 4648 base64url without padding; non-zero trailing bits
// are an error, so that one key has one text.
var strictBase64 = base64.RawURLEncoding.Strict()

// PublicKey verifies checkpoints. It is comparable; the zero value is "none".
type PublicKey struct {
	algorithm Algorithm
	raw       string // bytes as the algorithm's comment says
}

// ParsePublicKey reads the text form ALG:BASE64URL, strictly: what parses is
// what String writes, and the bytes are a valid key.
func ParsePublicKey(text string) (PublicKey, error) {
	algorithm, encoded, _ := strings.Cut(text, ":")
	raw, err := strictBase64.DecodeString(encoded)
	if err != nil {
		return PublicKey{}, fmt.Errorf("parse public key: not base64url: %w", err)
	}
	key := PublicKey{Algorithm(algorithm), string(raw)}
	switch key.algorithm {
	case Ed25519:
		if len(raw) != ed25519.PublicKeySize {
			return PublicKey{}, fmt.Errorf("parse public key: ed25519: %d bytes, want %d", len(raw), ed25519.PublicKeySize)
		}
	case ECDSAP384:
		if _, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), raw); err != nil {
			return PublicKey{}, fmt.Errorf("parse public key: ecdsa-p384: %w", err)
		}
	default:
		return PublicKey{}, fmt.Errorf("parse public key: algorithm %.20q: want %s or %s", algorithm, Ed25519, ECDSAP384)
	}
	if key.String() != text {
		return PublicKey{}, fmt.Errorf("parse public key: %s: not in its one canonical form", algorithm)
	}
	return key, nil
}

// IsZero says that there is no key.
func (k PublicKey) IsZero() bool { return k == PublicKey{} }

// Algorithm returns the scheme the key belongs to.
func (k PublicKey) Algorithm() Algorithm { return k.algorithm }

// String returns the text form ALG:BASE64URL, empty for no key.
func (k PublicKey) String() string { return string(k.appendText(nil)) }

func (k PublicKey) appendText(dst []byte) []byte {
	if k.IsZero() {
		return dst
	}
	dst = append(dst, k.algorithm...)
	dst = append(dst, ':')
	return strictBase64.AppendEncode(dst, []byte(k.raw))
}

// Fingerprint is the SHA-256 of the text form in hex: what
// `printf %s KEY | sha256sum` prints.
func (k PublicKey) Fingerprint() string {
	sum := sha256.Sum256([]byte(k.String()))
	return hex.EncodeToString(sum[:])
}

// Verify says whether sig is k's signature of msg. A key never accepts the
// other algorithm's signature.
func (k PublicKey) Verify(msg, sig []byte) bool {
	switch k.algorithm {
	case Ed25519:
		return ed25519.Verify(ed25519.PublicKey(k.raw), msg, sig)
	case ECDSAP384:
		public, err := ecdsa.ParseUncompressedPublicKey(elliptic.P384(), []byte(k.raw))
		if err != nil || len(sig) != 2*p384Scalar {
			return false
		}
		digest := sha512.Sum384(msg)
		r := new(big.Int).SetBytes(sig[:p384Scalar])
		s := new(big.Int).SetBytes(sig[p384Scalar:])
		return ecdsa.Verify(public, digest[:], r, s)
	}
	return false
}
