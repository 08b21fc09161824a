package tunnel

import (
	"fmt"
	"strings"
	"time"

	"auditbridge/internal/terminal"
)

// Every error a person can do something about has a type of its own, whose
// Hint says what. Text that came from the peer is short in all of them, and
// stands quoted or escaped.

// maxWords is how much of what a peer says is repeated, in bytes.
const maxWords = 200

func fewWords(text string) string {
	if len(text) > maxWords {
		return text[:maxWords] + "…"
	}
	return text
}

// told is an error of the SSH library, in which the peer may speak.
type told struct{ err error }

func (e *told) Error() string { return terminal.Safe(fewWords(e.err.Error())) }
func (e *told) Unwrap() error { return e.err }

// HostKeyError: the server's key is not the one the known-hosts file has.
// Nothing but the key exchange went over the wire.
type HostKeyError struct {
	Server      string
	Problem     HostKeyProblem
	KnownHosts  string
	Fingerprint string // SHA256:… of what the server showed; empty when nothing was asked
}

// HostKeyProblem is what is wrong with a host key.
type HostKeyProblem string

// What can be wrong with a host key.
const (
	HostKeyUnknown HostKeyProblem = "the known-hosts file has no key for this server"
	HostKeyChanged HostKeyProblem = "the server's key is not the one in the known-hosts file"
	HostKeyRevoked HostKeyProblem = "the server's key is revoked in the known-hosts file"
	HostKeyWeak    HostKeyProblem = "the server's RSA key is too short"
	HostKeyRefused HostKeyProblem = "every key the known-hosts file has for this server is of a kind that is not allowed"
)

func (e *HostKeyError) Error() string {
	text := fmt.Sprintf("check the host key of %s against %s: %s", e.Server, e.KnownHosts, e.Problem)
	if e.Fingerprint != "" {
		text += " (it showed " + e.Fingerprint + ")"
	}
	return text
}

// Hint says what to do.
func (e *HostKeyError) Hint() string {
	switch e.Problem {
	case HostKeyUnknown:
		return "compare the fingerprint with the server's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there), then add the key to " + e.KnownHosts
	case HostKeyWeak, HostKeyRefused:
		return "give the server a host key that is allowed (ssh-keygen -A makes those in use; ecdsa with 384 bits is in every profile) and put it into " + e.KnownHosts
	}
	return "somebody may stand between; find out why the key changed before touching " + e.KnownHosts
}

// AuthError: the server does not let this key in as this user.
type AuthError struct {
	Server, User string
	IdentityFile string
	Remote       string // host:port that is to be reached
	PublicKey    string // as it stands in an authorized_keys file
	Certificate  string // that was shown with it; empty: none
}

func (e *AuthError) Error() string {
	return fmt.Sprintf("log in to %s as %q with %s: the server knows no such user or does not accept the key", e.Server, e.User, e.IdentityFile)
}

// Hint says what to do.
func (e *AuthError) Hint() string {
	if e.Certificate != "" {
		return fmt.Sprintf("on the server, TrustedUserCAKeys has to name the CA's key, and the certificate has to be for %s, or for what AuthorizedPrincipalsFile names; it is %s", e.User, terminal.Safe(fewWords(e.Certificate)))
	}
	return fmt.Sprintf("on the server, put this line into %s's authorized_keys: %s", e.User, AuthorizedKey(e.PublicKey, e.Remote))
}

// to is e as it is told to who wants to reach remote.
func (e AuthError) to(remote string) *AuthError {
	e.Remote = remote
	return &e
}

// ProhibitedError: the SSH server forbids the forwarding.
type ProhibitedError struct {
	Server, Remote string
	Message        string // the server's words
}

func (e *ProhibitedError) Error() string {
	return fmt.Sprintf("open a channel through %s to %s: the server forbids it: %q", e.Server, e.Remote, e.Message)
}

// Hint says what to do.
func (e *ProhibitedError) Hint() string {
	return fmt.Sprintf(`on the server, check AllowTcpForwarding and PermitOpen in sshd_config, and permitopen= and restrict in authorized_keys (needed: port-forwarding,permitopen="%s")`, e.Remote)
}

// RemoteError: the SSH server could not reach what lies behind it.
type RemoteError struct {
	Server, Remote string
	Message        string // the server's words
}

func (e *RemoteError) Error() string {
	return fmt.Sprintf("open a channel through %s to %s: the server cannot connect there: %q", e.Server, e.Remote, e.Message)
}

// Hint says what to do.
func (e *RemoteError) Hint() string {
	return "is the log server running, and does it listen at " + e.Remote + " as seen from the SSH server?"
}

// UnreachableError: nothing answers where the SSH server should be.
type UnreachableError struct {
	Server string
	Err    error
}

func (e *UnreachableError) Error() string {
	return fmt.Sprintf("connect to the SSH server %s: %v", e.Server, e.Err)
}

// Hint says what to do.
func (e *UnreachableError) Hint() string {
	return "is the SSH server running at " + e.Server + ", and does every firewall between let this host in?"
}

// Unwrap returns the system's own error.
func (e *UnreachableError) Unwrap() error { return e.Err }

// AlgorithmError: the server has nothing in common with what we allow.
type AlgorithmError struct {
	Server string
	Err    error
}

func (e *AlgorithmError) Error() string {
	return fmt.Sprintf("agree on algorithms with %s: %v", e.Server, &told{e.Err})
}

// Hint says what to do.
func (e *AlgorithmError) Hint() string {
	return "the known-hosts file decides which kinds of host key are asked for; otherwise the server's OpenSSH is too old (7.2 or newer is needed)"
}

// Unwrap returns x/crypto/ssh's error.
func (e *AlgorithmError) Unwrap() error { return e.Err }

// SilenceError: the server did not answer a question in time.
type SilenceError struct {
	Server string
	Asked  string
	Within time.Duration
}

func (e *SilenceError) Error() string {
	return fmt.Sprintf("%s with %s: no answer within %v", e.Asked, e.Server, e.Within)
}

// Hint says what to do.
func (e *SilenceError) Hint() string {
	return "the network between or the server hangs; the connection is made anew by itself"
}

// Timeout makes it a net.Error's time-out.
func (e *SilenceError) Timeout() bool { return true }

// OversizeError: the server sent a packet longer than is taken. The connection
// ends with it (RFC 4253 section 6.1; FCS_SSH_EXT.1.3).
type OversizeError struct{ Server string }

// MaxPacket is how many bytes a packet may have: x/crypto/ssh's bound.
const MaxPacket = 256 << 10

func (e *OversizeError) Error() string {
	return fmt.Sprintf("read from %s: it sent a packet of more than %d bytes, which was dropped", e.Server, MaxPacket)
}

// Hint says what to do.
func (e *OversizeError) Hint() string {
	return "no SSH server needs such a packet; find out what runs at " + e.Server
}

// oversize knows the library's two ways to say so.
func oversize(err error) bool {
	return err != nil && (strings.Contains(err.Error(), "max packet length exceeded") || strings.Contains(err.Error(), "ssh: packet too large"))
}
