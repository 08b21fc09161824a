package tunnel

import (
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/rand"
	"encoding/pem"
	"fmt"
	"slices"
	"strings"

	"golang.org/x/crypto/ssh"
)

// NewIdentity makes a key of the best kind that a allows: private as it stands in an
// identity-file, public as in an authorized_keys file. private is a secret; the
// caller clears it.
func (a Algorithms) NewIdentity(comment string) (private []byte, public string, err error) {
	var secret crypto.PrivateKey
	if slices.Contains(a.withDefaults().Signatures, ssh.KeyAlgoED25519) {
		_, secret, err = ed25519.GenerateKey(rand.Reader)
	} else {
		secret, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	}
	if err != nil {
		return nil, "", fmt.Errorf("make a key: %w", err)
	}
	block, err := ssh.MarshalPrivateKey(secret, comment)
	if err != nil {
		return nil, "", fmt.Errorf("write a key: %w", err)
	}
	signer, err := ssh.NewSignerFromKey(secret)
	if err != nil {
		return nil, "", fmt.Errorf("write a key: %w", err)
	}
	return pem.EncodeToMemory(block), publicLine(signer.PublicKey()) + " " + comment, nil
}

func publicLine(key ssh.PublicKey) string {
	return strings.TrimSpace(string(ssh.MarshalAuthorizedKey(key)))
}

// AuthorizedKey is the line that lets the key public forward to the remotes, each
// host:port as seen from the SSH server, and do nothing else (sshd(8)).
func AuthorizedKey(public string, remotes ...string) string {
	options := "restrict,port-forwarding"
	for _, r := range remotes {
		options += fmt.Sprintf(",permitopen=%q", r)
	}
	return options + `,permitlisten="127.0.0.1:1" ` + public
}
