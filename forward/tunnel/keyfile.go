package tunnel

import (
	"crypto/rsa"
	"errors"
	"strings"

	"auditbridge/internal/keyfile"

	"golang.org/x/crypto/ssh"
)

// minRSA is the shortest RSA key in bits that is used or believed.
const minRSA = 2048

// readIdentity reads our private key.
func readIdentity(path string) (ssh.Signer, error) {
	text, err := keyfile.Read("identity-file", path, keyfile.Secret)
	if err != nil {
		return nil, err
	}
	defer clear(text)
	return parseIdentity(path, text)
}

func parseIdentity(path string, text []byte) (ssh.Signer, error) {
	signer, err := ssh.ParsePrivateKey(text)
	var locked *ssh.PassphraseMissingError
	switch {
	case err != nil && isPublicKey(text):
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "it is a public key; the private one is needed",
			Advice: "name the private key's file, " + strings.TrimSuffix(path, ".pub") + " by custom"}
	case errors.As(err, &locked):
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "the key is protected by a passphrase, and nobody is there to type it",
			Advice: "make a key of its own for auditbridge: ssh-keygen -t ed25519 -N '' -f " + path}
	case err != nil:
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "it holds no private key that can be used",
			Advice: "ssh-keygen -t ed25519 -N '' -f " + path, Err: err}
	case tooShort(signer.PublicKey()):
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "the RSA key is shorter than 2048 bits",
			Advice: "ssh-keygen -t ed25519 -N '' -f " + path}
	}
	return modernSigner(path, signer)
}

func isPublicKey(text []byte) bool {
	_, _, _, _, err := ssh.ParseAuthorizedKey(text)
	return err == nil
}

// modernSigner keeps a key from being used with an algorithm of old, and
// refuses kinds of keys that have no other.
func modernSigner(path string, signer ssh.Signer) (ssh.Signer, error) {
	algorithms, ok := signatures[signer.PublicKey().Type()]
	with, isPlain := signer.(ssh.AlgorithmSigner)
	if !ok || !isPlain {
		return nil, &keyfile.Error{Key: "identity-file", Path: path, Problem: "keys of type " + signer.PublicKey().Type() + " are not used any more",
			Advice: "ssh-keygen -t ed25519 -N '' -f " + path}
	}
	return ssh.NewSignerWithAlgorithms(with, algorithms)
}

func tooShort(key ssh.PublicKey) bool {
	crypto, ok := key.(ssh.CryptoPublicKey)
	if !ok {
		return false
	}
	public, ok := crypto.CryptoPublicKey().(*rsa.PublicKey)
	return ok && public.N.BitLen() < minRSA
}
