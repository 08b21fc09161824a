package tunnel

import (
	"context"
	"errors"
	"fmt"
	"net"
	"time"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// ShownKeys asks the server for its host key of every kind that is allowed. It
// believes none of them, and logs in nowhere: a person has to compare them.
func (c Config) ShownKeys(ctx context.Context) (keys []ssh.PublicKey, err error) {
	c = c.withDefaults()
	jump, err := c.jump()
	if err != nil {
		return nil, err
	}
	if jump != nil {
		defer jump.Close()
	}
	for _, algorithm := range c.Algorithms.Signatures {
		key, asked := c.shownKey(ctx, jump, algorithm)
		var noCommon *ssh.AlgorithmNegotiationError
		switch {
		case key != nil && !holds(keys, key):
			keys = append(keys, key)
		case key == nil && !errors.As(asked, &noCommon):
			return keys, asked
		case key == nil:
			err = &AlgorithmError{c.server(), asked}
		}
	}
	if len(keys) > 0 {
		return keys, nil
	}
	return nil, err
}

func holds(keys []ssh.PublicKey, key ssh.PublicKey) bool {
	for _, k := range keys {
		if string(k.Marshal()) == string(key.Marshal()) {
			return true
		}
	}
	return false
}

var errSeen = errors.New("the host key was shown, which is all that is wanted")

func (c Config) shownKey(ctx context.Context, jump *Tunnel, algorithm string) (shown ssh.PublicKey, err error) {
	raw, err := reach(ctx, c, jump)
	if err != nil {
		return nil, err
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(c.HandshakeTimeout))
	_, _, _, err = handshake(raw, c.server(), &ssh.ClientConfig{
		Config:            ssh.Config{KeyExchanges: c.Algorithms.KeyExchanges, Ciphers: c.Algorithms.Ciphers, MACs: c.Algorithms.macs()},
		HostKeyAlgorithms: []string{algorithm},
		ClientVersion:     "SSH-2.0-auditbridge",
		HostKeyCallback: func(_ string, _ net.Addr, key ssh.PublicKey) error {
			shown = key
			return errSeen
		},
	})
	if shown != nil {
		return shown, nil
	}
	return nil, fmt.Errorf("ask %s for its host key: %w", c.server(), &told{err})
}

// KnownHostsLine is the line that has the server's key in a known-hosts file.
func (c Config) KnownHostsLine(key ssh.PublicKey) string {
	return knownhosts.Line([]string{knownhosts.Normalize(c.withDefaults().server())}, key)
}
