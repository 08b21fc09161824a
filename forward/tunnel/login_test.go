package tunnel

import (
	"errors"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/keyfile"
	"auditbridge/internal/peertest"
)

// startAgent runs a stock ssh-agent that holds these private keys.
func startAgent(t *testing.T, keys ...string) (socket string) {
	t.Helper()
	socket = filepath.Join(t.TempDir(), "agent.sock")
	agent := exec.Command("ssh-agent", "-D", "-a", socket)
	if err := peertest.StartChild(agent); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { agent.Process.Kill(); agent.Wait() })
	peertest.Until(t, "the agent is there", func() bool {
		conn, err := net.Dial("unix", socket)
		if err == nil {
			conn.Close()
		}
		return err == nil
	})
	for _, key := range keys {
		add := exec.Command("ssh-add", "-q", key)
		add.Env = append(os.Environ(), "SSH_AUTH_SOCK="+socket)
		if out, err := add.CombinedOutput(); err != nil {
			t.Fatalf("ssh-add: %v: %s", err, out)
		}
	}
	return socket
}

// certify has a CA of its own sign identity's public half, and returns the CA's public
// key's file and the certificate's.
func certify(t *testing.T, identity string, options ...string) (authority, cert string) {
	t.Helper()
	ca := filepath.Join(t.TempDir(), "ca")
	peertest.Keygen(t, ca, "ed25519")
	args := append([]string{"-q", "-s", ca, "-I", "this host", "-z", "7"}, options...)
	if out, err := exec.Command("ssh-keygen", append(args, identity+".pub")...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
	return ca + ".pub", identity + "-cert.pub"
}

// The agent holds several keys; the one of identity-file is used and no other.
func TestAKeyThatAnAgentHolds(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	s := peertest.StartSSHD(t)
	other := strings.TrimSuffix(otherKey(t), ".pub")
	cfg := through(s, port)
	cfg.IdentityAgent, cfg.IdentityFile = startAgent(t, other, s.Identity), s.Identity+".pub"
	dial(t, open(t, cfg))
	(<-accepted).Close()
	if strings.Contains(s.Output(), "Failed publickey") {
		t.Errorf("another key was shown:\n%s", s.Output())
	}
	for name, row := range map[string]struct{ agent, word string }{
		"an agent without it": {startAgent(t, other), "does not hold the key of"},
		"nobody there":        {filepath.Join(t.TempDir(), "none.sock"), "no such file"},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := cfg
			cfg.IdentityAgent = row.agent
			_, err := open(t, cfg).Dial(t.Context())
			var bad *keyfile.Error
			if !errors.As(err, &bad) || bad.Key != "identity-agent" || !strings.Contains(err.Error(), row.word) || bad.Advice == "" {
				t.Errorf("%v, want identity-agent: %s", err, row.word)
			}
		})
	}
}

func TestACertificateLogsIn(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	for _, row := range []struct {
		name    string
		agent   bool
		options []string
		warned  bool
		word    string // of the refusal; empty: it logs in
		auth    bool   // it is the server that refuses
	}{
		{name: "for years", options: []string{"-V", "+520w"}},
		{name: "for ever", options: []string{"-V", "always:forever"}},
		{name: "with an agent's key", agent: true, options: []string{"-V", "+520w"}},
		{name: "for a week", options: []string{"-V", "+1w"}, warned: true},
		{name: "until yesterday", options: []string{"-V", "-2w:-1d"}, word: "it has expired, at "},
		{name: "from tomorrow on", options: []string{"-V", "+1d:+2w"}, word: "it is valid from "},
		{name: "a host's", options: []string{"-h"}, word: "not a user's"},
		{name: "for somebody else", options: []string{"-n", "somebody-else"}, word: "does not accept the key", auth: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			ca := filepath.Join(t.TempDir(), "authority.pub")
			s := peertest.StartSSHD(t, "TrustedUserCAKeys "+ca)
			os.Remove(s.AuthorizedKeys) // the certificate alone lets us in
			options := row.options
			if !row.auth {
				options = append([]string{"-n", s.User}, options...)
			}
			authority, cert := certify(t, s.Identity, options...)
			public, _ := os.ReadFile(authority)
			os.WriteFile(ca, public, 0o644)
			cfg := through(s, port)
			cfg.CertificateFile = cert
			if row.agent {
				cfg.IdentityAgent = startAgent(t, s.Identity)
			}
			tun := open(t, cfg)
			warned := make(chan error, 10)
			tun.Warned = func(err error) { warned <- err }
			conn, err := tun.Dial(t.Context())
			if row.word != "" {
				if err == nil || !strings.Contains(err.Error(), row.word) || row.auth != errors.As(err, new(*AuthError)) {
					t.Fatalf("%v, want %q", err, row.word)
				}
				if h, ok := err.(hinter); row.auth && (!ok || !strings.Contains(h.Hint(), `"this host" serial 7 by ssh-ed25519 `)) {
					t.Errorf("%v has no hint about the certificate", err)
				}
				if !row.auth && sawAuthentication(s.Output()) {
					t.Errorf("sshd saw an attempt to log in:\n%s", s.Output())
				}
				return
			}
			if err != nil {
				t.Fatal(err)
			}
			defer conn.Close()
			(<-accepted).Close()
			if row.warned != (len(warned) == 1) || row.warned && !errors.As(<-warned, new(*ExpiryError)) {
				t.Errorf("warned %d times", len(warned))
			}
			if !strings.Contains(s.Output(), `Accepted publickey for `+s.User) || !strings.Contains(s.Output(), "ID this host (serial 7)") {
				t.Errorf("it was not the certificate that let us in:\n%s", s.Output())
			}
		})
	}
}

func TestACertificateForAnotherKey(t *testing.T) {
	t.Parallel()
	s := peertest.StartSSHD(t)
	_, cert := certify(t, strings.TrimSuffix(otherKey(t), ".pub"))
	cfg := through(s, 1)
	cfg.CertificateFile = cert
	if _, err := open(t, cfg).Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "it is for another key, ") {
		t.Errorf("%v", err)
	}
	cfg.CertificateFile = s.HostKey
	if _, err := open(t, cfg).Dial(t.Context()); err == nil || !strings.Contains(err.Error(), "holds no OpenSSH certificate") {
		t.Errorf("%v", err)
	}
}
