package tlslink

import (
	"bytes"
	"crypto"
	"crypto/fips140"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/asn1"
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"auditbridge/internal/keyfile"

	"software.sslmate.com/src/go-pkcs12"
)

// loadPKCS12 reads certificate, chain and key from one file (RFC 7292). Its
// password stands in a file of its own, whose last line end is not part of it.
// Where Go's FIPS 140-3 module is in force, what would protect the key by other means
// than that has is refused, each by its name.
func (c *Config) loadPKCS12(read reader, open opener) (*tls.Certificate, error) {
	fail := func(problem, advice string, err error) error {
		return &keyfile.Error{Key: "pkcs12-file", Path: c.PKCS12File, Problem: problem, Advice: advice, Err: err}
	}
	text, err := read("pkcs12-file", c.PKCS12File, keyfile.Secret)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	var password []byte
	if c.PasswordFile != "" {
		if password, err = read("pkcs12-password-file", c.PasswordFile, keyfile.Secret); err != nil {
			return nil, err
		}
		defer clear(password)
	}
	switch by := protection(text); {
	case by.rounds > maxRounds:
		return nil, fail(fmt.Sprintf("its password is to be hashed %d times, more than %d", by.rounds, maxRounds), "openssl pkcs12 -export -iter 600000 -inkey KEY -in CERTIFICATE makes one with less", nil)
	case fips140.Enabled() && len(by.others) > 0:
		return nil, fail("it is protected by "+strings.Join(by.others, ", ")+", which the FIPS 140-3 module in force does not have",
			"openssl pkcs12 -export -inkey KEY -in CERTIFICATE -keypbe AES-256-CBC -certpbe AES-256-CBC -macalg SHA256 makes one that it has", nil)
	}
	word := string(bytes.TrimSuffix(bytes.TrimSuffix(password, []byte("\n")), []byte("\r")))
	in, err := open(text, word)
	switch {
	case errors.Is(err, pkcs12.ErrIncorrectPassword) && c.PasswordFile == "":
		return nil, fail("a password protects it", "put it as one line into a file of its own, and name that in pkcs12-password-file", nil)
	case errors.Is(err, pkcs12.ErrIncorrectPassword) || errors.Is(err, pkcs12.ErrDecryption):
		return nil, &keyfile.Error{Key: "pkcs12-password-file", Path: c.PasswordFile, Problem: "the password does not open " + c.PKCS12File,
			Advice: "put the password there as one line"}
	case errors.Is(err, errKeyless):
		return nil, fail("there is no private key in it", "export it with the key: openssl pkcs12 -export -inkey KEY -in CERTIFICATE", nil)
	case err != nil:
		return nil, fail("it is no PKCS#12 file that can be used", "openssl pkcs12 -export -inkey KEY -in CERTIFICATE makes one", fmt.Errorf("%s", fewWords(err.Error())))
	}
	return pair("pkcs12-file", c.PKCS12File, in.chain, in.key)
}

// opener opens a file with a password: decodePKCS12, or who remembers what that said.
type opener func(text []byte, word string) (opened, error)

// opened is what a PKCS#12 file holds.
type opened struct {
	key   crypto.PrivateKey
	chain []*x509.Certificate // ours first
}

var errKeyless = errors.New("certificates and no key")

// decodePKCS12 opens a file whose means are allowed. With GODEBUG=fips140=only
// crypto/pbkdf2 would also refuse its salt, which openssl before 3.2 makes of 8 bytes
// and not of 16: the key is somebody else's to protect until it comes to us, so that is
// not held against it. The library panics about what it did not expect to be refused;
// whatever is in a file, to us it is an error.
func decodePKCS12(text []byte, word string) (in opened, err error) {
	defer func() {
		if why := recover(); why != nil {
			err = fmt.Errorf("%v", why)
		}
	}()
	fips140.WithoutEnforcement(func() {
		key, cert, between, e := pkcs12.DecodeChain(text, word)
		if err = e; err == nil {
			in = opened{key, append([]*x509.Certificate{cert}, between...)}
			return
		}
		if certs, e := pkcs12.DecodeTrustStore(text, word); e == nil && len(certs) > 0 || strings.Contains(err.Error(), "private key missing") {
			err = errKeyless
		}
	})
	return in, err
}

// The shape of a PKCS#12 file, as far as it shows by which means its parts are protected
// (RFC 7292 section 4, RFC 5652 sections 3 and 8, RFC 8018 appendix A). A key within a
// part that is itself encrypted is not seen; nobody is known to write one.
type (
	pfx struct {
		Version  int
		AuthSafe contentInfo
		Mac      macData `asn1:"optional"`
	}
	contentInfo struct {
		Type    asn1.ObjectIdentifier
		Content asn1.RawValue `asn1:"tag:0,explicit,optional"`
	}
	macData struct {
		Digest struct {
			Algorithm pkix.AlgorithmIdentifier
			Digest    []byte
		}
		Salt       []byte
		Iterations int `asn1:"optional,default:1"`
	}
	encryptedData struct {
		Version int
		Info    struct {
			Type      asn1.ObjectIdentifier
			Algorithm pkix.AlgorithmIdentifier
			Content   asn1.RawValue `asn1:"tag:0,optional"`
		}
	}
	safeBag struct {
		ID         asn1.ObjectIdentifier
		Value      asn1.RawValue `asn1:"tag:0,explicit"`
		Attributes asn1.RawValue `asn1:"set,optional"`
	}
	shroudedKey struct {
		Algorithm pkix.AlgorithmIdentifier
		Data      []byte
	}
	twoMeans struct{ Derive, Use pkix.AlgorithmIdentifier } // of PBES2 and PBMAC1
	pbkdf2   struct {
		Salt       asn1.RawValue
		Iterations int
		KeyLength  int                      `asn1:"optional"`
		PRF        pkix.AlgorithmIdentifier `asn1:"optional"`
	}
)

const (
	oidData          = "1.2.840.113549.1.7.1"
	oidEncryptedData = "1.2.840.113549.1.7.6"
	oidShroudedKey   = "1.2.840.113549.1.12.10.1.2"
	oidPBES2         = "1.2.840.113549.1.5.13"
	oidPBMAC1        = "1.2.840.113549.1.5.14"
	oidPBKDF2        = "1.2.840.113549.1.5.12"
)

// approved are the means that the module has.
var approved = []string{
	"2.16.840.1.101.3.4.1.2", "2.16.840.1.101.3.4.1.22", "2.16.840.1.101.3.4.1.42", // AES in CBC mode, 128, 192 and 256
	"2.16.840.1.101.3.4.2.1", "2.16.840.1.101.3.4.2.2", "2.16.840.1.101.3.4.2.3", // SHA-256, 384 and 512
	"1.2.840.113549.2.9", "1.2.840.113549.2.10", "1.2.840.113549.2.11", // HMAC with them
}

// meansNames are those of others that files have had.
var meansNames = map[string]string{
	"1.2.840.113549.1.12.1.1": "RC4", "1.2.840.113549.1.12.1.2": "RC4",
	"1.2.840.113549.1.12.1.3": "3DES", "1.2.840.113549.1.12.1.4": "3DES", "1.2.840.113549.3.7": "3DES",
	"1.2.840.113549.1.12.1.5": "RC2", "1.2.840.113549.1.12.1.6": "RC2", "1.2.840.113549.3.2": "RC2",
	"1.3.14.3.2.26": "SHA-1", "1.2.840.113549.2.7": hmacSHA1, "1.3.6.1.4.1.11591.4.11": "scrypt",
}

const hmacSHA1 = "HMAC-SHA-1" // PBKDF2's where it names none

// means are how a file's parts are protected.
type means struct {
	others []string // names of what is not approved
	rounds int      // how often a password is hashed, at most
}

// maxRounds is some seconds' work: a file that asks for more would hold up whoever
// connects.
const maxRounds = 5_000_000

// protection looks for the means. A file of another shape has none: whoever reads it
// says what is wrong with it.
func protection(text []byte) (by means) {
	add := func(a pkix.AlgorithmIdentifier) {
		by.others, by.rounds = append(by.others, unapproved(a)...), max(by.rounds, greatest(a.Parameters.FullBytes))
	}
	var file pfx
	if !parses(text, &file) {
		return means{}
	}
	if file.Mac.Digest.Algorithm.Algorithm != nil {
		add(file.Mac.Digest.Algorithm)
		by.rounds = max(by.rounds, file.Mac.Iterations)
	}
	var parts []contentInfo
	parses(octets(file.AuthSafe), &parts)
	for _, part := range parts {
		var sealed encryptedData
		if part.Type.String() == oidEncryptedData && parses(part.Content.Bytes, &sealed) {
			add(sealed.Info.Algorithm)
		}
		var bags []safeBag
		if part.Type.String() == oidData {
			parses(octets(part), &bags)
		}
		for _, bag := range bags {
			var key shroudedKey
			if bag.ID.String() == oidShroudedKey && parses(bag.Value.Bytes, &key) {
				add(key.Algorithm)
			}
		}
	}
	slices.Sort(by.others)
	by.others = slices.Compact(by.others)
	return by
}

// greatest is the greatest number in an algorithm's parameters, which is how often it is
// gone through; one that has no place in an int is the greatest there is.
func greatest(der []byte) (most int) {
	for len(der) > 0 {
		var v asn1.RawValue
		rest, err := asn1.Unmarshal(der, &v)
		if err != nil {
			return most
		}
		der = rest
		n := 0
		switch {
		case v.IsCompound:
			n = greatest(v.Bytes)
		case v.Class == asn1.ClassUniversal && v.Tag == asn1.TagInteger && !parses(v.FullBytes, &n):
			n = math.MaxInt
		}
		most = max(most, n)
	}
	return most
}

// unapproved names an algorithm, or those it is made of, where they are not approved.
func unapproved(a pkix.AlgorithmIdentifier) []string {
	oid := a.Algorithm.String()
	switch oid {
	case oidPBES2, oidPBMAC1:
		var means twoMeans
		if parses(a.Parameters.FullBytes, &means) {
			return append(unapproved(means.Derive), unapproved(means.Use)...)
		}
	case oidPBKDF2:
		var derive pbkdf2
		switch parsed := parses(a.Parameters.FullBytes, &derive); {
		case parsed && derive.PRF.Algorithm == nil:
			return []string{hmacSHA1}
		case parsed:
			return unapproved(derive.PRF)
		}
	}
	switch {
	case slices.Contains(approved, oid):
		return nil
	case meansNames[oid] != "":
		return []string{meansNames[oid]}
	}
	return []string{"the algorithm " + oid}
}

func parses(der []byte, into any) bool {
	_, err := asn1.Unmarshal(der, into)
	return err == nil
}

// octets is what a part of type data holds; nil where it is none.
func octets(part contentInfo) (text []byte) {
	parses(part.Content.Bytes, &text)
	return text
}
