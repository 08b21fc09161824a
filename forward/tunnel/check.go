package tunnel

import (
	"slices"

	"auditbridge/internal/keyfile"

	"golang.org/x/crypto/ssh"
)

// CheckIdentity says whether the identity-file holds a private key that can be
// used; if not, its error is a *keyfile.Error. Who else may get at the file is not
// looked at: whoever checks may be another user than the one who connects.
func (c Config) CheckIdentity() error {
	_, err := c.publicKey()
	return err
}

// CheckKnownHosts says whether the known-hosts file has a key for the server;
// if not, its error is a *HostKeyError, or a *keyfile.Error when it cannot be read.
func (c Config) CheckKnownHosts() error {
	text, err := keyfile.Look(c.KnownHosts)
	if err != nil {
		return err
	}
	c = c.withDefaults()
	_, err = parseHostKeys(c.KnownHosts, c.server(), c.Algorithms, text)
	return err
}

// IdentityFingerprint names the key in the identity-file: its type and the SHA-256
// of its public half, as ssh-keygen -l prints it.
func (c Config) IdentityFingerprint() (string, error) {
	key, err := c.publicKey()
	if err != nil {
		return "", err
	}
	return Fingerprint(key), nil
}

// PublicIdentity is the public half of the key in the identity-file, as it stands
// in an authorized_keys file.
func (c Config) PublicIdentity() (string, error) {
	key, err := c.publicKey()
	if err != nil {
		return "", err
	}
	return publicLine(key), nil
}

func (c Config) publicKey() (ssh.PublicKey, error) {
	text, err := keyfile.Look(c.IdentityFile)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	if c.IdentityAgent != "" {
		return parsePublic(c.IdentityFile, text)
	}
	signer, err := parseIdentity(c.IdentityFile, c.Algorithms.withDefaults(), text)
	if err != nil {
		return nil, err
	}
	return signer.PublicKey(), nil
}

// HostKeyFingerprints names every key that the known-hosts file has for the server.
func (c Config) HostKeyFingerprints() ([]string, error) {
	text, err := keyfile.Look(c.KnownHosts)
	if err != nil {
		return nil, err
	}
	c = c.withDefaults()
	h, err := parseHostKeys(c.KnownHosts, c.server(), c.Algorithms, text)
	if err != nil {
		return nil, err
	}
	var names []string
	for _, key := range h.keys {
		names = append(names, Fingerprint(key))
	}
	slices.Sort(names)
	return names, nil
}

// Fingerprint names a public key: its type and SHA-256.
func Fingerprint(key ssh.PublicKey) string { return key.Type() + " " + ssh.FingerprintSHA256(key) }
