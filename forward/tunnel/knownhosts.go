package tunnel

import (
	"bytes"
	"errors"
	"net"

	"auditbridge/internal/keyfile"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// hostKeys is what a known-hosts file says of one server.
type hostKeys struct {
	server, path string
	check        ssh.HostKeyCallback
	authorities  [][]byte        // keys that stand for certificate authorities, never for a host
	keys         []ssh.PublicKey // that the file has for the server
	offered      Algorithms
	algorithms   []string // those of offered for which the file has a key of the server
}

// readHostKeys reads the known-hosts file. A server it has no key for is
// refused here, before a single packet.
func readHostKeys(path, server string, offered Algorithms) (*hostKeys, error) {
	text, err := keyfile.Read("known-hosts", path, keyfile.Public)
	if err != nil {
		return nil, err
	}
	return parseHostKeys(path, server, offered, text)
}

// parseHostKeys takes text, which stands in the file at path. The library reads
// the file by its name; keyfile.Read has shown that nobody else can have put
// another there in between.
func parseHostKeys(path, server string, offered Algorithms, text []byte) (*hostKeys, error) {
	check, err := knownhosts.New(path)
	if err != nil {
		return nil, &keyfile.Error{Key: "known-hosts", Path: path, Problem: "a line is malformed",
			Advice: "every line reads: HOST[,HOST…] TYPE KEY, as ssh-keyscan prints it", Err: err}
	}
	h := &hostKeys{server: server, path: path, offered: offered, check: unenforced(check), authorities: certAuthorities(text)}
	if err := h.findAlgorithms(); err != nil {
		return nil, err
	}
	return h, nil
}

// findAlgorithms asks the file for a key no server has; the refusal names the
// ones it knows.
func (h *hostKeys) findAlgorithms() error {
	var known *knownhosts.KeyError
	if err := h.check(h.server, &net.TCPAddr{}, noKey{}); !errors.As(err, &known) {
		return &keyfile.Error{Key: "known-hosts", Path: h.path, Problem: "look up " + h.server, Err: err}
	}
	have := map[string]bool{} // algorithms
	for _, line := range known.Want {
		if !h.isAuthority(line.Key) {
			h.keys = append(h.keys, line.Key)
			for _, name := range signsWith[line.Key.Type()] {
				have[name] = true
			}
		}
	}
	for _, name := range h.offered.Signatures {
		if have[name] {
			h.algorithms = append(h.algorithms, name)
		}
	}
	if len(h.algorithms) == 0 && len(have) > 0 {
		return &HostKeyError{Server: h.server, Problem: HostKeyRefused, KnownHosts: h.path}
	}
	if len(h.algorithms) == 0 {
		return &HostKeyError{Server: h.server, Problem: HostKeyUnknown, KnownHosts: h.path}
	}
	return nil
}

// verify is the ssh.HostKeyCallback; it runs at every key exchange.
func (h *hostKeys) verify(_ string, _ net.Addr, key ssh.PublicKey) error {
	refuse := func(problem HostKeyProblem) error {
		return &HostKeyError{Server: h.server, Problem: problem, KnownHosts: h.path, Fingerprint: ssh.FingerprintSHA256(key)}
	}
	if _, isCertificate := key.(*ssh.Certificate); isCertificate || h.isAuthority(key) {
		return refuse(HostKeyUnknown)
	}
	if bits := rsaBits(key); bits > 0 && bits < h.offered.MinRSA {
		return refuse(HostKeyWeak)
	}
	err := h.check(h.server, addr(h.server), key)
	var revoked *knownhosts.RevokedError
	var known *knownhosts.KeyError
	switch {
	case err == nil:
		return nil
	case errors.As(err, &revoked):
		return refuse(HostKeyRevoked)
	case errors.As(err, &known) && len(known.Want) == 0:
		return refuse(HostKeyUnknown)
	}
	return refuse(HostKeyChanged)
}

func (h *hostKeys) isAuthority(key ssh.PublicKey) bool {
	blob := key.Marshal()
	for _, authority := range h.authorities {
		if bytes.Equal(authority, blob) {
			return true
		}
	}
	return false
}

// certAuthorities finds the keys of @cert-authority lines: the library would
// take such a key for the host's own.
func certAuthorities(text []byte) (keys [][]byte) {
	for line := range bytes.Lines(text) {
		marker, _, key, _, _, err := ssh.ParseKnownHosts(line)
		if err == nil && marker == "cert-authority" {
			keys = append(keys, key.Marshal())
		}
	}
	return keys
}

// noKey is a public key that equals no other.
type noKey struct{}

func (noKey) Type() string                        { return "none" }
func (noKey) Marshal() []byte                     { return nil }
func (noKey) Verify([]byte, *ssh.Signature) error { return errors.New("no key") }
