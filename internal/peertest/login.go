package peertest

import (
	"crypto/rand"
	"encoding/hex"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
)

// LoginSSHD is a stock sshd that lets people in by password, through PAM as the
// host is set up, with one account that exists only in the server's own mount
// namespace: nobody is added to the host.
type LoginSSHD struct {
	*Process
	Port           int
	User, Password string
	UID            int
	knownHosts     string
	askpass        string
}

// StartLoginSSHD runs the server. It needs root.
func StartLoginSSHD(t testing.TB) *LoginSSHD {
	t.Helper()
	return StartLoginSSHDBelow(t, "")
}

// StartLoginSSHDBelow runs a server for which /run is root/run, and which has extra
// lines in its configuration.
func StartLoginSSHDBelow(t testing.TB, root string, extra ...string) *LoginSSHD {
	t.Helper()
	dir := t.TempDir()
	if err := os.MkdirAll(root+"/run/sshd", 0o755); err != nil {
		t.Fatal(err)
	}
	secret := make([]byte, 12)
	rand.Read(secret)
	s := &LoginSSHD{Port: FreePort(t), User: "abtester", Password: hex.EncodeToString(secret), UID: 46234,
		knownHosts: filepath.Join(dir, "known_hosts"), askpass: filepath.Join(dir, "askpass")}
	hash, err := exec.Command("openssl", "passwd", "-6", s.Password).Output()
	if err != nil {
		t.Fatalf("hash a password: openssl: %v", err)
	}
	account := fmt.Sprintf("%s:x:%d:%d:test:/:/bin/sh\n", s.User, s.UID, s.UID)
	shadow := fmt.Sprintf("%s:%s:19000:0:99999:7:::\n", s.User, strings.TrimSpace(string(hash)))
	group := fmt.Sprintf("%s:x:%d:\n", s.User, s.UID)
	mounts := ""
	if root != "" {
		mounts = fmt.Sprintf("mount --bind %s/run /run && ", root)
	}
	for file, more := range map[string]string{"passwd": account, "shadow": shadow, "group": group} {
		own := writeFile(t, filepath.Join(dir, file), readFile(t, "/etc/"+file)+more, 0o644)
		mounts += fmt.Sprintf("mount --bind %s /etc/%s && ", own, file)
	}
	Keygen(t, filepath.Join(dir, "host"), "ed25519")
	writeFile(t, s.knownHosts, KnownHostsLine(t, s.Port, filepath.Join(dir, "host.pub")), 0o600)
	config := writeFile(t, filepath.Join(dir, "sshd_config"), fmt.Sprintf(`Port %d
ListenAddress 127.0.0.1
HostKey %s
PidFile none
UsePAM yes
PasswordAuthentication yes
KbdInteractiveAuthentication no
PubkeyAuthentication no
%s
`, s.Port, filepath.Join(dir, "host"), strings.Join(extra, "\n")), 0o600)
	s.Process = start(t, "unshare", "--mount", "--propagation", "private", "sh", "-c",
		mounts+"exec /usr/sbin/sshd -D -e -f "+config)
	s.untilListening(s.Port)
	return s
}

// Sit logs in at a terminal, leaves at once, and returns all that was shown: what
// the server says before the password, then what it says after it.
func (s *LoginSSHD) Sit(t testing.TB) string {
	t.Helper()
	cmd := s.client(t, s.User, s.Password, "-tt")
	cmd.Stdin = strings.NewReader("exit\n")
	out, err := cmd.CombinedOutput()
	if err != nil {
		t.Fatalf("log in: %v: %s", err, out)
	}
	return string(out)
}

// Login logs in with the stock ssh client, runs a command, and returns its
// output and the client's error.
func (s *LoginSSHD) Login(t testing.TB, user, password, command string) (string, error) {
	t.Helper()
	out, err := s.client(t, user, password, "", command).CombinedOutput()
	return string(out), err
}

func (s *LoginSSHD) client(t testing.TB, user, password, option string, command ...string) *exec.Cmd {
	t.Helper()
	writeFile(t, s.askpass, fmt.Sprintf("#!/bin/sh\necho '%s'\n", password), 0o700)
	cmd := exec.Command("ssh", "-F", "none", "-p", fmt.Sprint(s.Port), "-l", user,
		"-o", "UserKnownHostsFile="+s.knownHosts, "-o", "StrictHostKeyChecking=yes",
		"-o", "PreferredAuthentications=password", "-o", "NumberOfPasswordPrompts=1", "-o", "ConnectTimeout=120",
	)
	if option != "" {
		cmd.Args = append(cmd.Args, option)
	}
	cmd.Args = append(append(cmd.Args, "127.0.0.1"), command...)
	cmd.Env = append(os.Environ(), "SSH_ASKPASS="+s.askpass, "SSH_ASKPASS_REQUIRE=force", "DISPLAY=:0")
	return cmd
}
