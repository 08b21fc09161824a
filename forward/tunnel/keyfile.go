package tunnel

import (
	"crypto/rsa"
	"errors"
	"fmt"
	"strings"

	"auditbridge/internal/keyfile"

	"golang.org/x/crypto/ssh"
)

// readIdentity reads our private key.
func readIdentity(path string, allowed Algorithms) (ssh.Signer, error) {
	text, err := keyfile.Read("identity-file", path, keyfile.Secret)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return parseIdentity(path, allowed, text)
}

func parseIdentity(path string, allowed Algorithms, text []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case err != nil && isPublicKey(text):
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "it is a public key; the private one is needed",
			Advice: "name the private key's file, " + strings.TrimSuffix(path, ".pub") + " by custom"}
	case errors.As(err, &locked):
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "the key is protected by a passphrase, and nobody is there to type it",
			Advice: "make a key of its own for auditbridge: " + allowed.makeKey(path)}
	case err != nil:
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "it holds no private key that can be used",
			Advice: allowed.makeKey(path), Err: err}
	}
	if bits := rsaBits(signer.PublicKey()); bits > 0 && bits < allowed.MinRSA {
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: fmt.Sprintf("the RSA key has %d bits, fewer than %d", bits, allowed.MinRSA),
			Advice: allowed.makeKey(path)}
	}
	return restrict(path, allowed, signer)
}

func isPublicKey(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

// restrict keeps a key from being used with an algorithm that is not allowed,
// and refuses kinds of keys that have no other.
func restrict(path string, allowed Algorithms, signer ssh.Signer) (ssh.Signer, error) {
	algorithms := allowed.of(signer.PublicKey().Type())
	with, isPlain := signer.(ssh.AlgorithmSigner)
	if len(algorithms) == 0 || !isPlain {
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "a key of type " + signer.PublicKey().Type() + " is not allowed to log in",
			Advice: allowed.makeKey(path)}
	}
	return ssh.NewSignerWithAlgorithms(with, algorithms)
}

// makeKey is the command that makes a key of the best kind allowed.
func (a Algorithms) makeKey(path string) string {
	if a.Signatures[0] == ssh.KeyAlgoED25519 {
		return "ssh-keygen -t ed25519 -N '' -f " + path
	}
	return "ssh-keygen -t ecdsa -b 384 -N '' -f " + path
}

// rsaBits is the length of an RSA key; 0 of any other.
func rsaBits(key ssh.PublicKey) int {
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return 0
	}
	if public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey); ok {
		return public.N.BitLen()
	}
	return 0
}
