package tunnel

import (
	"errors"
	"strings"
	"testing"

	"auditbridge/internal/peertest"

	"golang.org/x/crypto/ssh"
)

// talkative is an SSH server with the right host key that takes any user and
// has much to say about every channel.
func talkative(t *testing.T, reason ssh.RejectionReason, words string) Config {
	t.Helper()
	p := peer{host: signer(t, ssh.KeyAlgoED25519, 0), serve: func(_ *ssh.ServerConn, channels <-chan ssh.NewChannel) {
		for c := range channels {
			c.Reject(reason, words)
		}
	}}
	return p.start(t, "", Modern)
}

// However much a server says, little of it is repeated, and none of it acts.
func TestWordsOfAHostileServer(t *testing.T) {
	for _, reason := range []ssh.RejectionReason{ssh.ConnectionFailed, ssh.Prohibited, ssh.ResourceShortage, 99} {
		for _, words := range []string{strings.Repeat("\x00", 20_000), strings.Repeat("\x1b[2J", 5000), strings.Repeat("\u202e", 5000)} {
			_, err := open(t, talkative(t, reason, words)).Dial(t.Context())
			if err == nil || len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\x00\x1b\u202e") {
				t.Errorf("reason %d: %d bytes: %.100q", reason, len(err.Error()), err)
			}
		}
	}
	long := &told{errors.New("ssh: disconnect, reason 2: " + strings.Repeat("\x1b", 256<<10))}
	for _, err := range []error{long, &AlgorithmError{Server: "s", Err: errors.New(strings.Repeat("\n", 256<<10))}} {
		if text := err.Error(); len(text) > 2000 || strings.ContainsAny(text, "\x1b\n") {
			t.Errorf("%d bytes: %.100q", len(text), text)
		}
	}
}

// The hint is the line that lets this key do this and nothing else.
func TestHintForARefusedKey(t *testing.T) {
	s := peertest.StartSSHD(t)
	cfg := through(s, 6514)
	cfg.IdentityFile = strings.TrimSuffix(otherKey(t), ".pub")
	_, err := open(t, cfg).DialTo(t.Context(), "::1", 6514)
	var refused *AuthError
	if want := `authorized_keys: restrict,port-forwarding,permitopen="[::1]:6514",permitlisten="127.0.0.1:1" ssh-ed25519 AAAA`; !errors.As(err, &refused) || !strings.Contains(refused.Hint(), want) {
		t.Errorf("%v; want a hint with %q", err, want)
	}
}
