package config

import (
	"cmp"
	"path/filepath"
	"slices"
	"strings"

	"auditbridge/forward/tlslink"
)

// tlsDir is where a certificate that is only named is.
const tlsDir = "/etc/auditbridge/tls"

// The keys that only TLS gives a meaning; those of our certificate go together.
var (
	trustKeys    = []string{"server-name", "ca-file", "crl-file", "ocsp", "ocsp-responder", "min-version", "max-version", "skip-cn-check", "skip-certificate-check"}
	identityKeys = []string{"certificate", "certificate-file", "key-file", "pkcs12-file", "pkcs12-password-file"}
)

// usesTLS reports whether the server is spoken to in TLS.
func (s *Server) usesTLS() bool { return s.TLS || s.Protocol == "tls" || s.Protocol == "https" }

// Skips is what of the server's certificate is not checked: "certificate", "name"
// or nothing.
func (s *Server) Skips() string {
	switch {
	case !s.usesTLS():
		return ""
	case s.SkipCertificateCheck:
		return "certificate"
	case s.SkipCNCheck:
		return "name"
	}
	return ""
}

// tls settles whom a server is believed by and who we are to it.
func (k *completion) tls(s *Server, path string) {
	if s.TLS && (s.Protocol == "tcp" || s.Protocol == "udp") {
		k.wrong(path+".tls", `write protocol = "tls"`, "%s is spoken without it", s.Protocol)
		return
	}
	if !s.usesTLS() {
		k.noTLS(s, path)
		return
	}
	k.inheritTLS(s, path)
	if s.ServerName == "" {
		s.ServerName, _ = k.FarEnd(s)
		k.derived(path+".server-name", "the server's address")
	} else if !isHost(s.ServerName) {
		k.wrong(path+".server-name", "", "%q is neither a host name nor an IP address", s.ServerName)
	}
	if s.MaxVersion < s.MinVersion {
		k.wrongAt(path, path+".max-version", "leave one of the two out", "%q is below min-version, %q", s.MaxVersion, s.MinVersion)
	}
	if _, err := tlslink.ResponderPort(s.OCSPResponder); err != nil {
		k.wrongAt(path, path+".ocsp-responder", "what a responder says is signed: it is asked by plain HTTP", "%v", err)
	}
	k.named(s, path)
	k.identityIsWhole(s, path)
	for _, file := range s.tlsFiles() {
		k.absolute(path+"."+file.key, file.name)
	}
	if s.SkipCertificateCheck {
		k.warn(path+".skip-certificate-check", "for a laboratory only: set ca-file to the server's root", "whoever answers at %s gets the records: his certificate is not checked", endpoint(s.Address, s.Port))
	} else if s.SkipCNCheck {
		k.warn(path+".skip-cn-check", "for a laboratory only: set server-name to what the certificate is for", "every server with a certificate of these roots gets the records of %s: the name in it is not checked", endpoint(s.Address, s.Port))
	}
}

// noTLS refuses what would be without effect.
func (k *completion) noTLS(s *Server, path string) {
	if s.Protocol == "" || k.origins[path+".protocol"].bad {
		return
	}
	for _, key := range slices.Concat(trustKeys, identityKeys) {
		if from := k.origins[path+"."+key]; from.at.File != "" {
			k.wrong(path+"."+key, `set protocol = "tls", or tls = true with relp or auditd; or leave it out`, "it is about TLS, and protocol is %q", s.Protocol)
		}
	}
}

// inheritTLS gives a server what [syslog] says where it says nothing itself.
// Who we are is one thing in several keys: it is inherited as a whole.
func (k *completion) inheritTLS(s *Server, path string) {
	own := func(key string) bool { return k.origins[path+"."+key].at.File != "" }
	take := func(value *string, key, common string) {
		if !own(key) {
			*value = common
			k.inherited(path+"."+key, "syslog."+key)
		}
	}
	take(&s.CAFile, "ca-file", k.Syslog.CAFile)
	take(&s.CRLFile, "crl-file", k.Syslog.CRLFile)
	take(&s.OCSP, "ocsp", k.Syslog.OCSP)
	take(&s.OCSPResponder, "ocsp-responder", k.Syslog.OCSPResponder)
	take(&s.MinVersion, "min-version", k.Syslog.MinVersion)
	take(&s.MaxVersion, "max-version", k.Syslog.MaxVersion)
	if slices.ContainsFunc(identityKeys, own) {
		return
	}
	take(&s.Certificate, "certificate", k.Syslog.Certificate)
	take(&s.CertificateFile, "certificate-file", k.Syslog.CertificateFile)
	take(&s.KeyFile, "key-file", k.Syslog.KeyFile)
	take(&s.PKCS12File, "pkcs12-file", k.Syslog.PKCS12File)
	take(&s.PKCS12Password, "pkcs12-password-file", k.Syslog.PasswordFile)
}

// named finds the files of a certificate that is given by its name.
func (k *completion) named(s *Server, path string) {
	if s.Certificate == "" {
		return
	}
	certificate, key := certificateFiles(s.Certificate)
	for _, file := range []struct {
		key   string
		value *string
		named string
	}{{"certificate-file", &s.CertificateFile, certificate}, {"key-file", &s.KeyFile, key}} {
		if *file.value == "" {
			*file.value = file.named
			k.derived(path+"."+file.key, "from certificate")
		}
	}
}

// certificateFiles are where a certificate is that is given by its name, or by a path
// without its ending.
func certificateFiles(stem string) (certificate, key string) {
	if !strings.Contains(stem, "/") {
		stem = filepath.Join(tlsDir, stem)
	}
	return stem + ".pem", stem + ".key"
}

// identityIsWhole refuses half of a certificate, and two.
func (k *completion) identityIsWhole(s *Server, path string) {
	pem := s.CertificateFile != "" || s.KeyFile != ""
	switch {
	case s.PKCS12File != "" && pem:
		k.wrongAt(path, path+".pkcs12-file", "leave out certificate, certificate-file and key-file, or this", "it holds a certificate and its key, and there is another already")
	case s.PKCS12File == "" && s.PKCS12Password != "":
		k.wrongAt(path, path+".pkcs12-password-file", "set pkcs12-file, too", "there is no pkcs12-file that it opens")
	case pem && s.KeyFile == "":
		k.wrongAt(path, path+".certificate-file", "set key-file, too", "there is no private key for it")
	case pem && s.CertificateFile == "":
		k.wrongAt(path, path+".key-file", "set certificate-file, too", "there is no certificate for it")
	}
}

// tlsFile is a file that a key names.
type tlsFile struct{ key, name string }

func (s *Server) tlsFiles() (files []tlsFile) {
	for _, file := range []tlsFile{
		{"ca-file", s.CAFile}, {"crl-file", s.CRLFile}, {"certificate-file", s.CertificateFile}, {"key-file", s.KeyFile},
		{"pkcs12-file", s.PKCS12File}, {"pkcs12-password-file", s.PKCS12Password},
	} {
		if file.name != "" && (file.key != "ca-file" || !s.SkipCertificateCheck) {
			files = append(files, file)
		}
	}
	return files
}

// Identity is who we are to servers that do not say otherwise. No connection is made
// with it.
func (s *Syslog) Identity() *tlslink.Config {
	c := &tlslink.Config{CertificateFile: s.CertificateFile, KeyFile: s.KeyFile, PKCS12File: s.PKCS12File, PasswordFile: s.PasswordFile}
	if s.Certificate != "" {
		certificate, key := certificateFiles(s.Certificate)
		c.CertificateFile, c.KeyFile = cmp.Or(c.CertificateFile, certificate), cmp.Or(c.KeyFile, key)
	}
	return c
}

// tls is the server's tlslink.Config, nil where TLS is not spoken.
func (s *Server) tls(address string, port Port) *tlslink.Config {
	if !s.usesTLS() {
		return nil
	}
	c := &tlslink.Config{
		Name: s.Name, Address: address, Port: int(port), ServerName: s.ServerName,
		CAFile: s.CAFile, CRLFile: s.CRLFile, OCSP: s.OCSP, Responder: s.OCSPResponder,
		CertificateFile: s.CertificateFile, KeyFile: s.KeyFile, PKCS12File: s.PKCS12File, PasswordFile: s.PKCS12Password,
		SkipCertificateCheck: s.SkipCertificateCheck, SkipNameCheck: s.SkipCNCheck,
	}
	if c.OCSP == "strict" {
		c.OCSP = tlslink.OCSPRequire
	}
	c.Profile.MinVersion, _ = tlslink.ParseVersion(s.MinVersion)
	c.Profile.MaxVersion, _ = tlslink.ParseVersion(s.MaxVersion)
	return c
}
