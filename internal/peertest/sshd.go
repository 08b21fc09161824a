package peertest

import (
	"fmt"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"strings"
	"testing"
)

// SSHD is a stock OpenSSH server that lets one key in, as the user who runs
// the test.
type SSHD struct {
	*Process
	Port       int
	User       string
	Identity   string // the client's private key
	KnownHosts string // names the server's key for [127.0.0.1]:Port
	HostKey    string // the server's public key file
	Config     string

	AuthorizedKeys string
}

// StartSSHD runs sshd; extra lines are put in front of its configuration, so
// they win.
func StartSSHD(t testing.TB, extra ...string) *SSHD {
	t.Helper()
	dir := t.TempDir()
	me, err := user.Current()
	if err != nil {
		t.Fatal(err)
	}
	if os.Geteuid() == 0 {
		os.MkdirAll("/run/sshd", 0o755) // sshd's privilege separation directory
	}
	s := &SSHD{Port: FreePort(t), User: me.Username,
		Identity: filepath.Join(dir, "id"), HostKey: filepath.Join(dir, "host.pub"),
		KnownHosts: filepath.Join(dir, "known_hosts"), AuthorizedKeys: filepath.Join(dir, "authorized_keys"), Config: filepath.Join(dir, "sshd_config")}
	Keygen(t, s.Identity, "ed25519")
	Keygen(t, filepath.Join(dir, "host"), "ed25519")
	writeFile(t, s.AuthorizedKeys, readFile(t, s.Identity+".pub"), 0o600)
	writeFile(t, s.KnownHosts, KnownHostsLine(t, s.Port, s.HostKey), 0o600)
	writeFile(t, s.Config, fmt.Sprintf(`%s
Port %d
ListenAddress 127.0.0.1
HostKey %s
AuthorizedKeysFile %s
PidFile none
LogLevel VERBOSE
StrictModes no
UsePAM no
PasswordAuthentication no
KbdInteractiveAuthentication no
PermitRootLogin prohibit-password
MaxStartups 1000
`, strings.Join(extra, "\n"), s.Port, filepath.Join(dir, "host"), s.AuthorizedKeys), 0o600)
	s.Start(t)
	return s
}

// Start runs the server again, after Kill.
func (s *SSHD) Start(t testing.TB) {
	t.Helper()
	s.Process = start(t, "sshd", "-D", "-e", "-f", s.Config)
	s.untilListening(s.Port)
}

// Keygen makes a key pair at path and path.pub.
func Keygen(t testing.TB, path, keyType string, args ...string) {
	t.Helper()
	all := append([]string{"-q", "-t", keyType, "-N", "", "-C", "test", "-f", path}, args...)
	if out, err := exec.Command("ssh-keygen", all...).CombinedOutput(); err != nil {
		t.Fatalf("ssh-keygen: %v: %s", err, out)
	}
}

// KnownHostsLine is the known-hosts line of a server on a loopback port.
func KnownHostsLine(t testing.TB, port int, publicKeyFile string) string {
	t.Helper()
	fields := strings.Fields(readFile(t, publicKeyFile))
	return fmt.Sprintf("[127.0.0.1]:%d %s %s\n", port, fields[0], fields[1])
}

func readFile(t testing.TB, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}
