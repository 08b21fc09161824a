package tunnel

import "auditbridge/internal/keyfile"

// CheckIdentity says whether the identity-file holds a private key that can be
// used; if not, its error is a *keyfile.Error. Who else may get at the file is not
// looked at: whoever checks may be another user than the one who connects.
func (c Config) CheckIdentity() error {
	text, err := keyfile.Look(c.IdentityFile)
	if err != nil {
		return err
	}
	defer clear(text)
	_, err = parseIdentity(c.IdentityFile, c.Algorithms.withDefaults(), text)
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
