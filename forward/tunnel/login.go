package tunnel

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"strings"
	"time"

	"auditbridge/internal/keyfile"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/agent"
)

// login is what we log in with.
type login struct {
	ssh.Signer
	public ssh.PublicKey
	cert   *ssh.Certificate // nil where the key is shown by itself
	done   func()           // lets go of the agent; the caller calls it after the handshake
}

// name is the certificate's; empty when there is none.
func (l *login) name() string {
	if l.cert == nil {
		return ""
	}
	return nameOf(l.cert)
}

// login has our key ready: of the file, or of the agent that holds it; with its
// certificate where there is one.
func (c Config) login(ctx context.Context) (*login, error) {
	l := &login{done: func() {}}
	var err error
	if c.IdentityAgent == "" {
		l.Signer, err = readIdentity(c.IdentityFile, c.Algorithms)
	} else {
		l.Signer, l.done, err = c.askAgent(ctx)
	}
	if err != nil {
		return nil, err
	}
	l.public = l.PublicKey()
	if c.CertificateFile == "" {
		return l, nil
	}
	if l.cert, err = c.readCertificate(l.public); err == nil {
		l.Signer, err = ssh.NewCertSigner(l.cert, l.Signer)
	}
	if err != nil {
		l.done()
		return nil, err
	}
	return l, nil
}

// askAgent finds the key of identity-file, and no other, with the agent. It signs
// until done is called, or until the time for a handshake is over.
func (c Config) askAgent(ctx context.Context) (signer ssh.Signer, done func(), err error) {
	text, err := keyfile.Read("identity-file", c.IdentityFile, keyfile.Public)
	if err != nil {
		return nil, nil, err
	}
	public, err := parsePublic(c.IdentityFile, text)
	if err != nil {
		return nil, nil, err
	}
	fail := func(problem string, err error) (ssh.Signer, func(), error) {
		return nil, nil, &keyfile.Error{Key: "identity-agent", Path: c.IdentityAgent, Problem: problem,
			Advice: "the agent runs as the user that sends, with this key: ssh-agent -D -a " + c.IdentityAgent, Err: err}
	}
	ctx, cancel := context.WithTimeout(ctx, c.ConnectTimeout)
	defer cancel()
	conn, err := new(net.Dialer).DialContext(ctx, "unix", c.IdentityAgent)
	if err != nil {
		return fail("connect", err)
	}
	conn.SetDeadline(time.Now().Add(c.ConnectTimeout + c.HandshakeTimeout))
	held, err := agent.NewClient(conn).Signers()
	if err != nil {
		conn.Close()
		return fail("ask for its keys", &told{err})
	}
	for _, s := range held {
		if bytes.Equal(s.PublicKey().Marshal(), public.Marshal()) {
			if signer, err = restrict(c.IdentityFile, c.Algorithms, s); err != nil {
				conn.Close()
				return nil, nil, err
			}
			return signer, func() { conn.Close() }, nil
		}
	}
	conn.Close()
	return fail(fmt.Sprintf("it does not hold the key of %s, %s", c.IdentityFile, Fingerprint(public)), nil)
}

// parsePublic takes a public key for what it is, and the public half of a private one.
func parsePublic(path string, text []byte) (ssh.PublicKey, error) {
	if key, _, _, _, err := ssh.ParseAuthorizedKey(text); err == nil {
		return key, nil
	}
	signer, err := ssh.ParsePrivateKey(text)
	if err != nil {
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "it holds no public key, by which the agent's is found",
			Advice: "ssh-add -L prints those that the agent holds", Err: err}
	}
	return signer.PublicKey(), nil
}

// readCertificate reads our certificate, which has to be for key and in force.
func (c Config) readCertificate(key ssh.PublicKey) (*ssh.Certificate, error) {
	text, err := keyfile.Read("certificate-file", c.CertificateFile, keyfile.Public)
	if err != nil {
		return nil, err
	}
	return c.parseCertificate(text, key, time.Now())
}

func (c Config) parseCertificate(text []byte, key ssh.PublicKey, now time.Time) (*ssh.Certificate, error) {
	fail := func(format string, args ...any) (*ssh.Certificate, error) {
		return nil, &keyfile.Error{Key: "certificate-file", Path: c.CertificateFile, Problem: fmt.Sprintf(format, args...),
			Advice: fmt.Sprintf("ssh-keygen -s CA -I NAME -n %s -V +52w, of the public key", c.User)}
	}
	public, _, _, _, err := ssh.ParseAuthorizedKey(text)
	cert, is := public.(*ssh.Certificate)
	switch {
	case err != nil || !is:
		return fail("it holds no OpenSSH certificate")
	case cert.CertType != ssh.UserCert:
		return fail("it is not a user's certificate")
	case !bytes.Equal(cert.Key.Marshal(), key.Marshal()):
		return fail("it is for another key, %s, and ours is %s", Fingerprint(cert.Key), Fingerprint(key))
	case now.Before(time.Unix(int64(cert.ValidAfter), 0)):
		return fail("it is valid from %s on", moment(cert.ValidAfter))
	case expires(cert) && now.After(time.Unix(int64(cert.ValidBefore), 0)):
		return fail("it has expired, at %s", moment(cert.ValidBefore))
	}
	return cert, nil
}

// expires reports whether it ends at all (OpenSSH's PROTOCOL.certkeys).
func expires(cert *ssh.Certificate) bool { return cert.ValidBefore != ssh.CertTimeInfinity }

// moment is a time of a certificate.
func moment(seconds uint64) string { return time.Unix(int64(seconds), 0).UTC().Format(time.RFC3339) }

// soon is how long before a certificate's end that is worth a warning.
const soon = 30 * 24 * time.Hour

// ExpiryError: our certificate ends soon.
type ExpiryError struct {
	CertificateFile string
	At              string
}

func (e *ExpiryError) Error() string {
	return fmt.Sprintf("our certificate in %s expires at %s", e.CertificateFile, e.At)
}

// Hint says what to do.
func (e *ExpiryError) Hint() string {
	return "have another made in time: with an expired one nobody lets us in"
}

// ending is an *ExpiryError when cert ends soon, else nil.
func (c Config) ending(cert *ssh.Certificate, now time.Time) error {
	if cert == nil || !expires(cert) || now.Add(soon).Before(time.Unix(int64(cert.ValidBefore), 0)) {
		return nil
	}
	return &ExpiryError{c.CertificateFile, moment(cert.ValidBefore)}
}

// CheckCertificate says whether the certificate can be used and for how long; if not,
// its error is a *keyfile.Error or an *ExpiryError. nil where there is none.
func (c Config) CheckCertificate() error {
	if c.CertificateFile == "" {
		return nil
	}
	cert, err := c.lookAtCertificate()
	if err != nil {
		return err
	}
	return c.ending(cert, time.Now())
}

func (c Config) lookAtCertificate() (*ssh.Certificate, error) {
	key, err := c.publicKey()
	if err != nil {
		return nil, err
	}
	text, err := keyfile.Look(c.CertificateFile)
	if err != nil {
		return nil, err
	}
	return c.parseCertificate(text, key, time.Now())
}

// CertificateName names the certificate: its id, serial number, whose it is, whom it
// is for, and until when.
func (c Config) CertificateName() (string, error) {
	cert, err := c.lookAtCertificate()
	if err != nil {
		return "", err
	}
	return nameOf(cert), nil
}

func nameOf(cert *ssh.Certificate) string {
	end := "for ever"
	if expires(cert) {
		end = "until " + moment(cert.ValidBefore)
	}
	return fmt.Sprintf("%q serial %d by %s for %s %s", cert.KeyId, cert.Serial, Fingerprint(cert.SignatureKey), strings.Join(cert.ValidPrincipals, ","), end)
}
