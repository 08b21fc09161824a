package main

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/forward/tunnel"
	"auditbridge/internal/peertest"

	"golang.org/x/crypto/ssh"
)

// readmeBlock is the README's code block that has text in it.
func readmeBlock(t *testing.T, text string) string {
	t.Helper()
	readme, err := os.ReadFile("../../README.md")
	must(t, err)
	for i, block := range strings.Split(string(readme), "```") {
		if i%2 == 1 && strings.Contains(block, text) {
			_, block, _ = strings.Cut(block, "\n")
			return block
		}
	}
	t.Fatalf("README.md has no block with %q", text)
	return ""
}

// logServer is a stock sshd whose one account is set up as the README says, and
// the port that the account may forward to.
func logServer(t *testing.T) (far *peertest.SSHD, open net.Listener, client *ssh.Client) {
	t.Helper()
	open, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	t.Cleanup(func() { open.Close() })
	permitted := open.Addr().String()
	put := strings.NewReplacer("127.0.0.1:9999", permitted, "Match User audit", "Match User root")
	_, options, _ := strings.Cut(readmeBlock(t, "authorized_keys"), "echo '")
	options, _, _ = strings.Cut(options, " ssh-ed25519")
	far = peertest.StartSSHD(t, put.Replace(readmeBlock(t, "Match User audit")), "Match all")
	key, err := os.ReadFile(far.AuthorizedKeys)
	must(t, err)
	must(t, os.WriteFile(far.AuthorizedKeys, []byte(put.Replace(options)+" "+string(key)), 0o600))
	secret, err := os.ReadFile(far.Identity)
	must(t, err)
	signer, err := ssh.ParsePrivateKey(secret)
	must(t, err)
	client, err = ssh.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", far.Port), &ssh.ClientConfig{
		User: far.User, Auth: []ssh.AuthMethod{ssh.PublicKeys(signer)}, HostKeyCallback: ssh.InsecureIgnoreHostKey(), Timeout: peertest.Patience,
	})
	must(t, err)
	t.Cleanup(func() { client.Close() })
	return far, open, client
}

// TestTheLogServersAccountForwardsToOnePortAndDoesNothingElse: whoever has the
// audited host's key has that port, and no other, no listener, no session.
func TestTheLogServersAccountForwardsToOnePortAndDoesNothingElse(t *testing.T) {
	beside(t)
	far, open, client := logServer(t)
	other, err := net.Listen("tcp", "127.0.0.1:0")
	must(t, err)
	defer other.Close()
	socket := filepath.Join(t.TempDir(), "socket")
	local, err := net.Listen("unix", socket)
	must(t, err)
	defer local.Close()
	for _, row := range []struct {
		name string
		try  func() (io.Closer, error)
	}{
		{"another port", func() (io.Closer, error) { return client.Dial("tcp", other.Addr().String()) }},
		{"the port by another name", func() (io.Closer, error) {
			return client.Dial("tcp", fmt.Sprintf("localhost:%d", open.Addr().(*net.TCPAddr).Port))
		}},
		{"a unix socket", func() (io.Closer, error) { return client.Dial("unix", socket) }},
		{"a listener", func() (io.Closer, error) { return client.Listen("tcp", "127.0.0.1:0") }},
		{"a listener for everybody", func() (io.Closer, error) { return client.Listen("tcp", "0.0.0.0:0") }},
		{"the listener that permitlisten names", func() (io.Closer, error) { return client.Listen("tcp", "127.0.0.1:1") }},
		{"a listening unix socket", func() (io.Closer, error) { return client.ListenUnix(socket + ".theirs") }},
		{"a session", func() (io.Closer, error) { return client.NewSession() }},
	} {
		if c, err := row.try(); err == nil {
			c.Close()
			t.Errorf("%s: granted", row.name)
		}
	}

	tun, err := tunnel.New(tunnel.Config{Name: "siem-tunnel", ServerAddress: "127.0.0.1", ServerPort: far.Port,
		RemoteHost: "127.0.0.1", RemotePort: open.Addr().(*net.TCPAddr).Port,
		User: far.User, IdentityFile: far.Identity, KnownHosts: far.KnownHosts}, slog.New(slog.DiscardHandler))
	must(t, err)
	defer tun.Close()
	ctx, cancel := context.WithTimeout(t.Context(), peertest.Patience)
	defer cancel()
	conn, err := tun.Dial(ctx)
	if err != nil {
		t.Fatalf("the tunnel does not work: %v\n%s", err, far.Output())
	}
	defer conn.Close()
	_, err = conn.Write([]byte("record"))
	must(t, err)
	theirs, err := open.Accept()
	must(t, err)
	defer theirs.Close()
	got := make([]byte, len("record"))
	must(t, theirs.SetReadDeadline(time.Now().Add(peertest.Patience)))
	if _, err := io.ReadFull(theirs, got); err != nil || string(got) != "record" {
		t.Errorf("arrived: %q, %v", got, err)
	}
}

// TestTheLogServersFileIsItsOwnersAlone: rsyslog, set up as the README says,
// keeps a long record whole where only root reads it.
func TestTheLogServersFileIsItsOwnersAlone(t *testing.T) {
	beside(t)
	port, file := peertest.FreePort(t), filepath.Join(t.TempDir(), "audit-remote.log")
	server := peertest.StartRsyslogWith(t, port, file,
		strings.NewReplacer("9999", fmt.Sprint(port), "/var/log/audit-remote.log", file).Replace(readmeBlock(t, "imtcp")))
	conn, err := net.Dial("tcp", fmt.Sprintf("127.0.0.1:%d", port))
	must(t, err)
	defer conn.Close()
	message := "<38>1 2024-03-06T16:35:29.678Z h auditbridge - - - " + strings.Repeat("x", 40<<10)
	_, err = fmt.Fprintf(conn, "%d %s", len(message), message)
	must(t, err)
	peertest.Until(t, "the record is in the file", func() bool { return len(server.Received()) == 1 })
	if got := server.Received()[0]; got != message {
		t.Errorf("%d of %d bytes arrived, or others", len(got), len(message))
	}
	info, err := os.Stat(file)
	must(t, err)
	if info.Mode() != 0o600 {
		t.Errorf("the file's mode is %v", info.Mode())
	}
}
