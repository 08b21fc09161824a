// Package tlslink carries a connection inside TLS (RFC 5425: syslog over TLS),
// over a plain TCP connection or a channel through an SSH tunnel.
//
// Whom it speaks with is decided by the certificates in ca-file alone, never by
// the system's store: the server has to show a chain to one of them
// (RFC 5280 section 6), a certificate that is made for servers and names the one
// that is meant (RFC 6125), and none of them may be revoked. All of that is
// settled inside the handshake: a server that does not pass hears nothing from
// us, not even who we are. What is wrong with it is a *CertificateError, which
// says what exactly and of which certificate.
//
// The environment decides nothing: SSLKEYLOGFILE, SSL_CERT_FILE, SSL_CERT_DIR
// and the proxies' variables are not read.
package tlslink

import (
	"crypto/tls"
	"errors"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"slices"
	"strconv"
	"strings"
	"time"
)

// The values of Config.OCSP.
const (
	OCSPOff     = "off"     // nobody is asked; a stapled answer that says revoked counts
	OCSPTry     = "try"     // what is revoked is refused; that nobody answers is not
	OCSPRequire = "require" // without an answer for every certificate, none is believed
)

// Config is the TLS of one destination. It crosses the process boundary as
// JSON; what is secret stands in files.
type Config struct {
	Name    string `json:"name"`    // the destination's
	Address string `json:"address"` // the server's, and the reference identifier when ServerName is empty
	Port    int    `json:"port"`

	ServerName string `json:"server-name,omitempty"`    // whom the certificate has to be for: host name or IP address
	CAFile     string `json:"ca-file"`                  // PEM: the trust anchors
	CRLFile    string `json:"crl-file,omitempty"`       // PEM or DER: each certificate has to be spoken for there, or by OCSP
	OCSP       string `json:"ocsp"`                     // OCSPOff, OCSPTry or OCSPRequire
	Responder  string `json:"ocsp-responder,omitempty"` // asked instead of the one that a certificate names

	CertificateFile string `json:"certificate-file,omitempty"` // PEM: ours, and what leads from it to its root
	KeyFile         string `json:"key-file,omitempty"`         // PEM
	PKCS12File      string `json:"pkcs12-file,omitempty"`      // both in one
	PasswordFile    string `json:"pkcs12-password-file,omitempty"`

	SkipCertificateCheck bool `json:"skip-certificate-check,omitempty"` // believe anybody: laboratories
	SkipNameCheck        bool `json:"skip-cn-check,omitempty"`          // believe every server of these anchors: laboratories

	Profile Profile `json:"profile"`

	// Holds names what the files hold: another content makes it another Config.
	Holds []string `json:"holds,omitempty"`

	HandshakeTimeout time.Duration `json:"handshake-timeout,omitempty"` // all of it, questions to OCSP responders included; 15 s
	OCSPTimeout      time.Duration `json:"ocsp-timeout,omitempty"`      // for one answer; 4 s
}

// Profile is what a ClientHello offers. An empty list is the default's.
type Profile struct {
	MinVersion   uint16        `json:"min-version,omitempty"`   // TLS 1.2
	MaxVersion   uint16        `json:"max-version,omitempty"`   // TLS 1.3
	CipherSuites []uint16      `json:"cipher-suites,omitempty"` // of TLS 1.2; those of 1.3 are crypto/tls' own
	Curves       []tls.CurveID `json:"curves,omitempty"`
}

// Default is the profile where none is asked for: forward secrecy and AEAD only
// (RFC 9325 section 4.2), and a key exchange that also withstands who records
// now and has a quantum computer later.
func Default() Profile {
	return Profile{
		MinVersion: tls.VersionTLS12,
		MaxVersion: tls.VersionTLS13,
		CipherSuites: []uint16{
			tls.TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384, tls.TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
			tls.TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256, tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
			tls.TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256, tls.TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
		},
		Curves: []tls.CurveID{tls.X25519MLKEM768, tls.X25519, tls.CurveP256, tls.CurveP384, tls.CurveP521},
	}
}

func (p Profile) withDefaults() Profile {
	d := Default()
	if p.MinVersion == 0 {
		p.MinVersion = d.MinVersion
	}
	if p.MaxVersion == 0 {
		p.MaxVersion = d.MaxVersion
	}
	if len(p.CipherSuites) == 0 {
		p.CipherSuites = d.CipherSuites
	}
	if len(p.Curves) == 0 {
		p.Curves = d.Curves
	}
	return p
}

// ParseVersion reads a TLS version as configurations have it.
func ParseVersion(text string) (version uint16, ok bool) {
	switch text {
	case "1.2":
		return tls.VersionTLS12, true
	case "1.3":
		return tls.VersionTLS13, true
	}
	return 0, false
}

func (c Config) withDefaults() Config {
	c.Profile = c.Profile.withDefaults()
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{{&c.HandshakeTimeout, 15 * time.Second}, {&c.OCSPTimeout, 4 * time.Second}} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	return c
}

// Validate returns every problem of c at once, each naming its key. It looks at
// no file.
func (c Config) Validate() error {
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf("remote-logging-server %q: %s: %s", c.Name, key, fmt.Sprintf(format, args...)))
	}
	if c.CAFile == "" && !c.SkipCertificateCheck {
		bad("ca-file", "missing")
	}
	if c.Reference() == "" {
		bad("server-name", "missing")
	}
	if !slices.Contains([]string{OCSPOff, OCSPTry, OCSPRequire}, c.OCSP) {
		bad("ocsp", "%q is none of %s %s %s", c.OCSP, OCSPOff, OCSPTry, OCSPRequire)
	}
	if _, err := ResponderPort(c.Responder); err != nil {
		bad("ocsp-responder", "%v", err)
	}
	for _, path := range []struct{ key, value string }{
		{"ca-file", c.CAFile}, {"crl-file", c.CRLFile}, {"certificate-file", c.CertificateFile}, {"key-file", c.KeyFile},
		{"pkcs12-file", c.PKCS12File}, {"pkcs12-password-file", c.PasswordFile},
	} {
		if path.value != "" && !strings.HasPrefix(path.value, "/") {
			bad(path.key, "%q is not an absolute path", path.value)
		}
	}
	switch {
	case c.PKCS12File != "" && (c.CertificateFile != "" || c.KeyFile != ""):
		bad("pkcs12-file", "it holds certificate and key: leave out certificate-file and key-file")
	case c.PKCS12File == "" && c.PasswordFile != "":
		bad("pkcs12-password-file", "there is no pkcs12-file it is for")
	case c.CertificateFile != "" && c.KeyFile == "":
		bad("key-file", "missing, but certificate-file is set")
	case c.KeyFile != "" && c.CertificateFile == "":
		bad("certificate-file", "missing, but key-file is set")
	}
	p := c.Profile.withDefaults()
	if p.MinVersion < tls.VersionTLS12 {
		bad("min-version", "nothing below TLS 1.2 is spoken (RFC 8996)")
	}
	if p.MaxVersion < p.MinVersion {
		bad("max-version", "it is below min-version")
	}
	if c.HandshakeTimeout < 0 || c.OCSPTimeout < 0 {
		bad("handshake-timeout", "negative")
	}
	return errors.Join(problems...)
}

// Reference is the name or address that the server's certificate has to be for
// (RFC 6125 section 6.2: from the configuration, never from DNS).
func (c Config) Reference() string {
	name := c.ServerName
	if name == "" {
		name = c.Address
	}
	if ip, err := netip.ParseAddr(name); err == nil {
		return ip.Unmap().String()
	}
	return strings.ToLower(strings.TrimSuffix(name, "."))
}

func (c Config) server() string { return net.JoinHostPort(c.Address, strconv.Itoa(c.Port)) }

// Files are all that are read, at each connection.
func (c Config) Files() []string {
	var files []string
	for _, f := range []string{c.CAFile, c.CRLFile, c.CertificateFile, c.KeyFile, c.PKCS12File, c.PasswordFile} {
		if f != "" && (f != c.CAFile || !c.SkipCertificateCheck) {
			files = append(files, f)
		}
	}
	return files
}

// Ports are the TCP ports of OCSP responders that may be asked: the one that is
// configured, or the one where those that certificates name listen.
func (c Config) Ports() []uint16 {
	if c.OCSP == OCSPOff || c.SkipCertificateCheck {
		return nil
	}
	port, _ := ResponderPort(c.Responder) // Validate has said so
	return []uint16{port}
}

// ResponderPort is where a responder listens; those of RFC 6960 section A.1 speak
// HTTP, for what they say is signed.
func ResponderPort(responder string) (uint16, error) {
	if responder == "" {
		return 80, nil
	}
	u, err := url.Parse(responder)
	if err != nil || u.Scheme != "http" || u.Host == "" || u.User != nil {
		return 0, fmt.Errorf("%q is not such as http://ocsp.example.org/", responder)
	}
	if u.Port() == "" {
		return 80, nil
	}
	port, err := strconv.ParseUint(u.Port(), 10, 16)
	if err != nil || port == 0 {
		return 0, fmt.Errorf("%q has no port that can be", responder)
	}
	return uint16(port), nil
}
