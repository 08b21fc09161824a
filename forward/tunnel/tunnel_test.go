package tunnel

import (
	"context"
	"errors"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/keyfile"
	"auditbridge/internal/peertest"
)

// hinter is what every error of this package that a person can mend has.
type hinter interface {
	error
	Hint() string
}

// through is the configuration that reaches a loopback port through s.
func through(s *peertest.SSHD, remotePort int) Config {
	return Config{Name: "siem-tunnel", ServerAddress: "127.0.0.1", ServerPort: s.Port, RemoteHost: "127.0.0.1", RemotePort: remotePort,
		User: s.User, IdentityFile: s.Identity, KnownHosts: s.KnownHosts,
		ConnectTimeout: peertest.Patience, HandshakeTimeout: peertest.Patience, KeepaliveInterval: 10 * time.Second, KeepaliveTimeout: peertest.Patience}
}

func open(t *testing.T, cfg Config) *Tunnel {
	t.Helper()
	tun, err := New(cfg, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { tun.Close() })
	return tun
}

func dial(t *testing.T, tun *Tunnel) *Conn {
	t.Helper()
	conn, err := tun.Dial(t.Context())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { conn.Close() })
	return conn
}

// listen accepts one connection after the other and hands them over.
func listen(t *testing.T) (port int, accepted chan net.Conn) {
	t.Helper()
	accepted = make(chan net.Conn, 16)
	return peertest.PortOf(peertest.Listen(t, func(conn net.Conn) { accepted <- conn })), accepted
}

func TestBytesGoBothWaysAndEndInOrder(t *testing.T) {
	port, accepted := listen(t)
	conn := dial(t, open(t, through(peertest.StartSSHD(t), port)))
	far := <-accepted
	go func() {
		io.Copy(far, far)
		far.Close()
	}()
	if _, err := conn.Write([]byte("there and back")); err != nil {
		t.Fatal(err)
	}
	if err := conn.CloseWrite(); err != nil {
		t.Fatal(err)
	}
	got, err := io.ReadAll(conn)
	if err != nil || string(got) != "there and back" {
		t.Fatalf("read %q, %v", got, err)
	}
	peertest.Until(t, "the server is known to have taken all", func() bool { return conn.Reached() == 14 })
}

func TestDestinationsShareOneSSHConnection(t *testing.T) {
	port, accepted := listen(t)
	s := peertest.StartSSHD(t)
	tun := open(t, through(s, port))
	for range 3 {
		dial(t, tun)
		defer (<-accepted).Close()
	}
	if n := logins(t, s, 1); n != 1 {
		t.Errorf("logged in %d times, want once", n)
	}
}

// logins are how often somebody has logged in, as soon as the server, which tells its
// client first, says that it was at least so often.
func logins(t *testing.T, s *peertest.SSHD, least int) (n int) {
	t.Helper()
	peertest.Until(t, "sshd has said who came", func() bool {
		n = strings.Count(s.Output(), "Accepted publickey")
		return n >= least
	})
	return n
}

func TestDeadlines(t *testing.T) {
	port, accepted := listen(t)
	conn := dial(t, open(t, through(peertest.StartSSHD(t), port)))
	far := <-accepted
	defer far.Close()
	conn.SetReadDeadline(time.Now().Add(10 * time.Millisecond))
	if _, err := conn.Read(make([]byte, 1)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("read: %v, want the deadline", err)
	}
	conn.SetWriteDeadline(time.Now().Add(-time.Second))
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write after it: %v, want the deadline", err)
	}
	conn.SetWriteDeadline(time.Time{})
	go func() { // while it is being written, for more than this nobody reads
		far.Read(make([]byte, 1))
		conn.SetWriteDeadline(time.Now())
	}()
	if _, err := conn.Write(make([]byte, 64<<20)); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write: %v, want the deadline", err)
	}
	conn.SetWriteDeadline(time.Time{})
	if _, err := conn.Write([]byte("x")); !errors.Is(err, os.ErrDeadlineExceeded) {
		t.Errorf("write after a torn one: %v, want the same error for ever", err)
	}
}

// A broken SSH connection must never look like the far end's orderly close.
func TestBrokenConnectionIsNotAnOrderlyEnd(t *testing.T) {
	port, accepted := listen(t)
	s := peertest.StartSSHD(t)
	tun := open(t, through(s, port))
	conn := dial(t, tun)
	defer (<-accepted).Close()
	s.Kill()
	if _, err := conn.Read(make([]byte, 1)); err == nil || err == io.EOF {
		t.Fatalf("read: %v, want the SSH connection's end", err)
	}
	s.Start(t)
	again := dial(t, tun)
	defer again.Close()
	if _, err := again.Write([]byte("x")); err != nil {
		t.Errorf("after the server came back: %v", err)
	}
}

func TestSilentServerIsNoticed(t *testing.T) {
	port, accepted := listen(t)
	s := peertest.StartSSHD(t)
	cfg := through(s, port)
	cfg.KeepaliveInterval, cfg.KeepaliveTimeout = 50*time.Millisecond, 200*time.Millisecond
	var silence *SilenceError
	var conn *Conn
	tun := open(t, cfg)
	peertest.Until(t, "it is connected", func() (connected bool) { // a server that does not get to run is a silent one, too
		var err error
		if conn, err = tun.Dial(t.Context()); err != nil && !errors.As(err, &silence) {
			t.Fatal(err)
		}
		return err == nil
	})
	defer conn.Close()
	defer (<-accepted).Close()
	s.Signal(syscall.SIGSTOP)
	defer s.Signal(syscall.SIGCONT)
	_, err := conn.Read(make([]byte, 1))
	if !errors.As(err, &silence) {
		t.Errorf("read: %v, want *SilenceError", err)
	}
}

func TestHandshakeThatHangs(t *testing.T) {
	port, _ := listen(t) // accepts, says nothing
	s := peertest.StartSSHD(t)
	cfg := through(s, 1)
	cfg.ServerPort, cfg.HandshakeTimeout = port, 100*time.Millisecond
	os.WriteFile(s.KnownHosts, []byte(peertest.KnownHostsLine(t, port, s.HostKey)), 0o600)
	_, err := open(t, cfg).Dial(t.Context())
	var silence *SilenceError
	if !errors.As(err, &silence) {
		t.Errorf("%v, want *SilenceError", err)
	}
}

// Each row spoils one thing; want is the error's type and a word of its text.
func TestRefusals(t *testing.T) {
	closedPort := peertest.FreePort(t)
	for _, row := range []struct {
		name  string
		sshd  []string
		spoil func(t *testing.T, s *peertest.SSHD, cfg *Config)
		want  any
		word  string
		noUse bool // nothing of authentication may have been sent
	}{
		{name: "wrong host key", want: new(*HostKeyError), word: string(HostKeyChanged), noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) { rewriteKnownHosts(t, s, "", otherKey(t)) }},
		{name: "unknown host", want: new(*HostKeyError), word: string(HostKeyUnknown), noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				os.WriteFile(s.KnownHosts, []byte("other"+hostLine(t, s.HostKey)), 0o600)
			}},
		{name: "revoked host key", want: new(*HostKeyError), word: string(HostKeyRevoked), noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				known := peertest.KnownHostsLine(t, s.Port, s.HostKey)
				os.WriteFile(s.KnownHosts, []byte(known+"@revoked *"+hostLine(t, s.HostKey)), 0o600)
			}},
		{name: "a certificate authority's key is no host key", want: new(*HostKeyError), word: string(HostKeyUnknown), noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				rewriteKnownHosts(t, s, "@cert-authority ", s.HostKey)
			}},
		{name: "nor is it beside the key of another", want: new(*HostKeyError), word: string(HostKeyUnknown), noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				authority := "@cert-authority " + peertest.KnownHostsLine(t, s.Port, s.HostKey)
				os.WriteFile(s.KnownHosts, []byte(authority+peertest.KnownHostsLine(t, s.Port, otherKey(t))), 0o600)
			}},
		{name: "malformed known-hosts", want: new(*keyfile.Error), word: "malformed", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				os.WriteFile(s.KnownHosts, []byte("what is this\n"), 0o600)
			}},
		{name: "known-hosts others may write", want: new(*keyfile.Error), word: "mode 0666", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) { os.Chmod(s.KnownHosts, 0o666) }},
		{name: "identity readable by the group", want: new(*keyfile.Error), word: "mode 0640", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) { os.Chmod(s.Identity, 0o640) }},
		{name: "identity of another user", want: new(*keyfile.Error), word: "belongs to uid 12345", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) { os.Chown(s.Identity, 12345, -1) }},
		{name: "identity is a link", want: new(*keyfile.Error), word: "symbolic link", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				cfg.IdentityFile = s.Identity + ".link"
				os.Symlink(s.Identity, cfg.IdentityFile)
			}},
		{name: "identity where others may replace it", want: new(*keyfile.Error), word: "others may replace it", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				dir := filepath.Join(t.TempDir(), "open")
				os.Mkdir(dir, 0o700)
				os.Chmod(dir, 0o777)
				os.Rename(s.Identity, filepath.Join(dir, "id"))
				cfg.IdentityFile = filepath.Join(dir, "id")
			}},
		{name: "identity missing", want: new(*keyfile.Error), word: "no such file", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) { os.Remove(s.Identity) }},
		{name: "identity with a passphrase", want: new(*keyfile.Error), word: "passphrase", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				os.Remove(s.Identity)
				peertest.Keygen(t, s.Identity, "ed25519", "-N", "secret")
			}},
		{name: "identity too short", want: new(*keyfile.Error), word: "1024 bits, fewer than 2048", noUse: true,
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				os.Remove(s.Identity)
				peertest.Keygen(t, s.Identity, "rsa", "-b", "1024")
			}},
		{name: "rejected key", want: new(*AuthError), word: "does not accept the key",
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) {
				cfg.IdentityFile = strings.TrimSuffix(otherKey(t), ".pub")
			}},
		{name: "unknown user", want: new(*AuthError), word: "no such user",
			spoil: func(t *testing.T, s *peertest.SSHD, cfg *Config) { cfg.User = "nobody-of-that-name" }},
		{name: "forwarding forbidden", sshd: []string{"AllowTcpForwarding no"}, want: new(*ProhibitedError), word: "forbids"},
		{name: "another target permitted", sshd: []string{"PermitOpen 127.0.0.1:1"}, want: new(*ProhibitedError), word: "forbids"},
		{name: "remote port closed", want: new(*RemoteError), word: "cannot connect"},
		{name: "nothing in common", sshd: []string{"Ciphers aes128-cbc"}, want: new(*AlgorithmError), word: "agree on algorithms", noUse: true},
	} {
		t.Run(row.name, func(t *testing.T) {
			s := peertest.StartSSHD(t, row.sshd...)
			cfg := through(s, closedPort)
			if row.spoil != nil {
				row.spoil(t, s, &cfg)
			}
			_, err := open(t, cfg).Dial(t.Context())
			if err == nil || !errors.As(err, row.want) || !strings.Contains(err.Error(), row.word) {
				t.Fatalf("got %v (%T), want %T with %q", err, err, row.want, row.word)
			}
			if h, ok := err.(hinter); !ok || h.Hint() == "" {
				t.Errorf("%v has no hint", err)
			}
			if row.noUse && sawAuthentication(s.Output()) {
				t.Errorf("sshd saw an attempt to log in:\n%s", s.Output())
			}
		})
	}
}

func TestRSAIdentityAndHashedHost(t *testing.T) {
	port, accepted := listen(t)
	s := peertest.StartSSHD(t, "PubkeyAcceptedAlgorithms rsa-sha2-512")
	os.Remove(s.Identity)
	peertest.Keygen(t, s.Identity, "rsa", "-b", "2048")
	public, _ := os.ReadFile(s.Identity + ".pub")
	os.WriteFile(filepath.Join(filepath.Dir(s.Identity), "authorized_keys"), public, 0o600)
	hashKnownHosts(t, s.KnownHosts)
	dial(t, open(t, through(s, port)))
	(<-accepted).Close()
}

// The kinds of host key the file has decide what is asked for, so a server
// with an ECDSA key beside the known one is not taken for an impostor.
func TestOnlyKnownKindsOfHostKeyAreAskedFor(t *testing.T) {
	dir := t.TempDir()
	peertest.Keygen(t, filepath.Join(dir, "ecdsa"), "ecdsa")
	port, accepted := listen(t)
	s := peertest.StartSSHD(t, "HostKey "+filepath.Join(dir, "ecdsa"))
	for _, key := range []string{s.HostKey, filepath.Join(dir, "ecdsa.pub")} {
		os.WriteFile(s.KnownHosts, []byte(peertest.KnownHostsLine(t, s.Port, key)), 0o600)
		dial(t, open(t, through(s, port)))
		(<-accepted).Close()
	}
}

func TestCancelledDial(t *testing.T) {
	port, _ := listen(t)
	s := peertest.StartSSHD(t)
	os.WriteFile(s.KnownHosts, []byte(peertest.KnownHostsLine(t, port, s.HostKey)), 0o600)
	cfg := through(s, 1)
	cfg.ServerPort = port
	ctx, cancel := context.WithCancel(t.Context())
	time.AfterFunc(20*time.Millisecond, cancel)
	if _, err := open(t, cfg).Dial(ctx); !errors.Is(err, context.Canceled) {
		t.Errorf("%v, want cancelled", err)
	}
}

func TestValidateNamesEveryKey(t *testing.T) {
	err := Config{ServerPort: 70000, RemotePort: -1, LocalPort: 7777, LocalInterface: "nosuch0", IdentityFile: "id", KeepaliveTimeout: -1}.Validate()
	if err == nil {
		t.Fatal("accepted")
	}
	for _, key := range []string{"name", "server-address", "server-port", "remote-port", "local-address", "local-interface", "user", "identity-file", "known-hosts", "keepalive-timeout"} {
		if !strings.Contains(err.Error(), ": "+key+":") {
			t.Errorf("no word of %s in: %v", key, err)
		}
	}
}

// The user's own seven statements.
func TestValidateAcceptsTheUsersForwarding(t *testing.T) {
	cfg := Config{Name: "siem", ServerAddress: "172.18.4.99", ServerPort: 22, RemoteHost: "127.0.0.1", RemotePort: 9999,
		LocalAddress: "127.0.0.1", LocalPort: 7777, LocalInterface: "lo0", User: "audit", IdentityFile: "/k", KnownHosts: "/h"}
	if err := cfg.Validate(); err != nil {
		t.Error(err)
	}
}

func rewriteKnownHosts(t *testing.T, s *peertest.SSHD, marker, key string) {
	t.Helper()
	os.WriteFile(s.KnownHosts, []byte(marker+peertest.KnownHostsLine(t, s.Port, key)), 0o600)
}

func hostLine(t *testing.T, key string) string {
	t.Helper()
	text, err := os.ReadFile(key)
	if err != nil {
		t.Fatal(err)
	}
	return " " + string(text)
}

func otherKey(t *testing.T) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "other")
	peertest.Keygen(t, path, "ed25519")
	return path + ".pub"
}

func sawAuthentication(log string) bool {
	for _, word := range []string{"Failed ", "Accepted ", "Invalid user", "authenticating user", "Postponed", "[preauth] user"} {
		if strings.Contains(log, word) {
			return true
		}
	}
	return false
}

func hashKnownHosts(t *testing.T, path string) {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	host, key, _ := strings.Cut(string(text), " ")
	os.WriteFile(path, []byte(hashed(host)+" "+key), 0o600)
}
