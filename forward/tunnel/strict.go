package tunnel

import (
	"crypto/fips140"
	"net"

	"golang.org/x/crypto/ssh"
)

// GODEBUG=fips140=only makes an error, or a panic, of whatever is not approved by its
// form alone. Two things in SSH are not, and have to be.

// unenforced is a look into known hosts: OpenSSH hides names there by HMAC-SHA-1
// (HashKnownHosts). Who looks for one does the same, and no key is believed for it.
func unenforced(check ssh.HostKeyCallback) ssh.HostKeyCallback {
	return func(host string, remote net.Addr, key ssh.PublicKey) (err error) {
		fips140.WithoutEnforcement(func() { err = check(host, remote, key) })
		return err
	}
}

// handshake is ssh.NewClientConn, whose AES-GCM counts its nonces by itself, as RFC 5647
// section 7.1 has it; to Go's module that is any nonce. What is agreed on is what config
// lists all the same.
func handshake(raw net.Conn, server string, config *ssh.ClientConfig) (conn ssh.Conn, channels <-chan ssh.NewChannel, requests <-chan *ssh.Request, err error) {
	fips140.WithoutEnforcement(func() { conn, channels, requests, err = ssh.NewClientConn(raw, server, config) })
	return conn, channels, requests, err
}
