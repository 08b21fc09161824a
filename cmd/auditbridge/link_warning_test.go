package main

import (
	"fmt"
	"path/filepath"
	"testing"

	"golang.org/x/crypto/ssh"
)

// An SSH server that opens a channel towards us is put on record.
func TestAServerThatWantsMoreIsOnRecord(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	identity, known := filepath.Join(dir, "id"), filepath.Join(dir, "known_hosts")
	server, err := newDemoSSHD("127.0.0.1:1", identity, known)
	must(t, err)
	t.Cleanup(func() { server.listener.Close() })
	go func() {
		for {
			raw, err := server.listener.Accept()
			if err != nil {
				return
			}
			go func() {
				conn, channels, requests, err := ssh.NewServerConn(raw, server.config)
				if err != nil {
					return
				}
				go ssh.DiscardRequests(requests)
				conn.OpenChannel("auth-agent@openssh.com", nil)
				for c := range channels {
					c.Reject(ssh.ConnectionFailed, "nothing here")
				}
			}()
		}
	}()
	d := newDaemon(t, "")
	d.configure(fromStdin + plain("siem", 1, `via = "tunnel"`) + fmt.Sprintf("[[port-forwarding]]\nname = \"tunnel\"\nserver-address = \"127.0.0.1\"\nserver-port = %d\nidentity-file = %q\nknown-hosts = %q\n",
		server.port(), d.identity(identity), d.public(known)))
	d.start()
	d.onRecord("op=link-warning ", " relay=siem ", "wants what was never offered, and is refused: a channel of type auth-agent@openssh.com", " res=success")
	d.stop()
}
