package tlslink

import (
	"crypto/x509"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"strings"
	"syscall"
	"time"

	"auditbridge/internal/terminal"
)

// Fault is what is wrong, in a word: one for each that NDcPP's FAU_GEN.1 wants
// told apart. They stay as they are, for others act on them.
type Fault string

// Faults of certificates.
const (
	FaultUntrusted          Fault = "untrusted"            // no chain to an anchor of ca-file
	FaultBadSignature       Fault = "bad-signature"        // a signature of the chain does not hold
	FaultExpired            Fault = "expired"              //
	FaultNotYetValid        Fault = "not-yet-valid"        //
	FaultNoConstraints      Fault = "no-basic-constraints" // an issuer says nothing of being a CA
	FaultNotCA              Fault = "not-a-ca"             // an issuer says that it is none
	FaultNoCertSign         Fault = "no-cert-sign"         // an issuer's key is not for signing certificates
	FaultPathTooLong        Fault = "path-too-long"        //
	FaultNameConstraint     Fault = "name-constraint"      // an issuer may not speak for this name
	FaultCriticalExtension  Fault = "critical-extension"   // one that has to be understood is not
	FaultNoServerAuth       Fault = "no-server-auth"       // the certificate is not made for servers
	FaultNoDigitalSignature Fault = "no-digital-signature" // its key is not for signing a handshake
	FaultWeakKey            Fault = "weak-key"             //
	FaultWeakSignature      Fault = "weak-signature"       // SHA-1 or older
	FaultNameMismatch       Fault = "name-mismatch"        // it is for others
	FaultNoName             Fault = "no-name"              // it has no name where names stand today; the CN is none
	FaultMalformed          Fault = "malformed"            // it cannot be read, or has a curve that has no name
	FaultRevoked            Fault = "revoked"              //
	FaultUnknownStatus      Fault = "revocation-unknown"   // nobody says whether it is revoked, and somebody has to
)

// Faults of a handshake.
const (
	FaultVersion       Fault = "version"        // no version of TLS in common
	FaultCipher        Fault = "cipher"         // the server chose one it was not offered
	FaultGroup         Fault = "group"          // the same, of a curve
	FaultModified      Fault = "modified"       // somebody changed what went over the wire, or signed it wrongly
	FaultClientRefused Fault = "client-refused" // the server wants another certificate of ours, or one at all
	FaultRefused       Fault = "refused"        // the server gave up, in its own words
	FaultNoTLS         Fault = "no-tls"         // what answers is not TLS
	FaultTimeout       Fault = "timeout"        //
	FaultBroken        Fault = "broken"         // the connection ended within
	FaultHandshake     Fault = "handshake"      // all else that TLS forbids
)

// ID says which certificate is meant (RFC 5280 section 4.1.2.2: issuer and serial
// number are of one only). Its text came from whoever made the certificate and
// is safe for a terminal.
type ID struct {
	Subject  string    `json:"subject"`
	Issuer   string    `json:"issuer"`
	Serial   string    `json:"serial"` // hexadecimal
	NotAfter time.Time `json:"not-after"`
}

// maxName is how much of a name is repeated, in bytes.
const maxName = 120

func identify(cert *x509.Certificate) *ID {
	if cert == nil {
		return nil
	}
	subject := cert.Subject.String()
	if subject == "" && len(cert.DNSNames) > 0 {
		subject = "DNS:" + cert.DNSNames[0]
	}
	return &ID{Subject: fewWords(subject), Issuer: fewWords(cert.Issuer.String()), Serial: fewWords(cert.SerialNumber.Text(16)), NotAfter: cert.NotAfter}
}

func fewWords(text string) string {
	if len(text) > maxName {
		text = text[:maxName] + "…"
	}
	return terminal.Safe(text)
}

func (id *ID) String() string {
	return fmt.Sprintf("%s, issuer %s, serial %s", id.Subject, id.Issuer, id.Serial)
}

// CertificateError: the server's certificate, or one that leads from it to an
// anchor, is not believed. Nothing of ours was sent but the ClientHello.
type CertificateError struct {
	Server      string
	Fault       Fault
	What        string // in words, without the certificate's name
	Certificate *ID    // which; nil when it could not be read
	Presented   string // of a name that does not fit: what the certificate is for
	Reference   string // and whom we look for
}

func (e *CertificateError) Error() string {
	text := fmt.Sprintf("check the certificate of %s: %s: %s", e.Server, e.Fault, e.What)
	if e.Certificate != nil {
		text += ": " + e.Certificate.String()
	}
	return text
}

// Hint says what to do.
func (e *CertificateError) Hint() string {
	switch e.Fault {
	case FaultUntrusted:
		return "is it the right server? Then ca-file needs the root that its certificate comes from, and the server has to send what lies between"
	case FaultExpired, FaultNotYetValid:
		return "renew the certificate, if the clock of this host is right"
	case FaultNameMismatch:
		return "set server-name to what the certificate is for, or have one made for " + e.Reference
	case FaultNoName:
		return "have one made with a subjectAltName for " + e.Reference + "; the common name counts no more (RFC 9525)"
	case FaultNoServerAuth:
		return "have one made with extendedKeyUsage = serverAuth"
	case FaultRevoked:
		return "the server's key may be somebody else's by now: have a new certificate made"
	case FaultUnknownStatus:
		return "is the OCSP responder reachable from here, and crl-file of today? ocsp = \"try\" without crl-file takes silence for an answer"
	case FaultBadSignature, FaultMalformed:
		return "somebody may stand between; look at what the server sends: openssl s_client -showcerts -connect " + e.Server
	case FaultNoConstraints, FaultNotCA, FaultNoCertSign, FaultPathTooLong, FaultNameConstraint, FaultCriticalExtension:
		return "who runs that certification authority has to issue its certificate anew"
	}
	return "have a new certificate made for the server"
}

// HandshakeError: TLS with the server does not come about.
type HandshakeError struct {
	Server string
	Fault  Fault
	What   string // the library's words, or the peer's
	Err    error
}

func (e *HandshakeError) Error() string {
	return fmt.Sprintf("speak TLS with %s: %s: %s", e.Server, e.Fault, e.What)
}

// Hint says what to do.
func (e *HandshakeError) Hint() string {
	switch e.Fault {
	case FaultVersion:
		return "the server speaks nothing newer than TLS 1.1, or not what min-version and max-version leave"
	case FaultCipher, FaultGroup, FaultRefused:
		return "the server shares no cipher suite, curve or kind of signature with us, or wants a certificate: its own log says which"
	case FaultModified:
		return "somebody between changes what is sent, or the server's private key is not its certificate's"
	case FaultClientRefused:
		return "the server wants to know who we are: set certificate-file and key-file, or pkcs12-file, to one that its own CA issued"
	case FaultNoTLS:
		return "what listens there does not speak TLS: is it another port, or is the server set up for plain TCP?"
	case FaultTimeout, FaultBroken:
		return "is the server up, and is it TLS that listens there? A server that wants plain TCP waits for us as we for it"
	}
	return "the server's own log may say more"
}

// Unwrap returns the cause.
func (e *HandshakeError) Unwrap() error { return e.Err }

// libraryWords are how crypto/tls says what a fault stands for; it has no types
// for them. The first that fits counts.
var libraryWords = []struct {
	words string
	fault Fault
}{
	{"failed to parse certificate", FaultMalformed},
	{"protocol version", FaultVersion},
	{"legacy version", FaultVersion},
	{"downgrade", FaultVersion},
	{"remote error: tls: certificate required", FaultClientRefused},
	{"remote error: tls: bad certificate", FaultClientRefused},
	{"remote error: tls: unsupported certificate", FaultClientRefused},
	{"remote error: tls: unknown certificate authority", FaultClientRefused},
	{"remote error: tls: unknown certificate", FaultClientRefused},
	{"remote error: tls: expired certificate", FaultClientRefused},
	{"remote error: tls: revoked certificate", FaultClientRefused},
	{"remote error:", FaultRefused},
	{"cipher suite", FaultCipher},
	{"cipher", FaultCipher},
	{"group", FaultGroup},
	{"curve", FaultGroup},
	{"ServerKeyExchange", FaultModified},
	{"key share", FaultModified},
	{"signature", FaultModified},
	{"inished", FaultModified},
	{"bad record MAC", FaultModified},
	{"does not look like a TLS handshake", FaultNoTLS},
}

// meaning makes what crypto/tls returns an error of ours.
func (c *Config) meaning(err error) error {
	var ours *CertificateError
	if errors.As(err, &ours) {
		return ours
	}
	fault, text := FaultHandshake, fewWords(strings.TrimPrefix(err.Error(), "tls: "))
	var timeout net.Error
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded) || errors.As(err, &timeout) && timeout.Timeout():
		fault, text = FaultTimeout, fmt.Sprintf("no end of the handshake within %v", c.HandshakeTimeout)
	case ended(err):
		fault, text = FaultBroken, "the server closed the connection"
	default:
		for _, row := range libraryWords {
			if strings.Contains(err.Error(), row.words) {
				fault = row.fault
				break
			}
		}
	}
	if fault == FaultMalformed {
		return &CertificateError{Server: c.server(), Fault: fault, What: text}
	}
	return &HandshakeError{Server: c.server(), Fault: fault, What: text, Err: err}
}

// ended reports whether the connection is over without a word.
func ended(err error) bool {
	for _, end := range []error{io.EOF, io.ErrUnexpectedEOF, syscall.ECONNRESET, syscall.EPIPE} {
		if errors.Is(err, end) {
			return true
		}
	}
	return false
}
