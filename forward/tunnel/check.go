package tunnel

import (
	"fmt"
	"io"
	"os"
)

// CheckIdentity says whether the identity-file holds a private key that can be
// used; if not, its error is a *FileError. Who else may get at the file is not
// looked at: whoever checks may be another user than the one who connects.
func (c Config) CheckIdentity() error {
	text, err := readKeyFile(c.IdentityFile)
	if err != nil {
		return err
	}
	defer clear(text)
	_, err = parseIdentity(c.IdentityFile, text)
	return err
}

// CheckKnownHosts says whether the known-hosts file has a key for the server;
// if not, its error is a *HostKeyError, or a *FileError when it cannot be read.
func (c Config) CheckKnownHosts() error {
	text, err := readKeyFile(c.KnownHosts)
	if err != nil {
		return err
	}
	_, err = parseHostKeys(c.KnownHosts, c.withDefaults().server(), text)
	return err
}

func readKeyFile(path string) ([]byte, error) {
	info, err := os.Stat(path)
	if err != nil {
		return nil, err
	}
	if !info.Mode().IsRegular() {
		return nil, fmt.Errorf("read %s: it is not a regular file", path)
	}
	f, err := os.Open(path)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxKeyFile))
}
