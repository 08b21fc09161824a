package main

import (
	"context"
	"crypto/ed25519"
	"crypto/fips140"
	"crypto/rand"
	"encoding/pem"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"sync"

	"golang.org/x/crypto/ssh"
	"golang.org/x/crypto/ssh/knownhosts"
)

// demoSSHD is the far end of the demonstration's tunnel: an SSH server that
// knows one key and forwards to one port, as `restrict,port-forwarding,
// permitopen="…"` would in an authorized_keys file.
type demoSSHD struct {
	listener net.Listener
	config   *ssh.ServerConfig
	permit   string // the one host:port that may be opened
}

// newDemoSSHD listens on a free loopback port. It writes the client's private
// key to identity and its own host key to knownHosts.
func newDemoSSHD(permit, identity, knownHosts string) (*demoSSHD, error) {
	clientPublic, client, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	block, err := ssh.MarshalPrivateKey(client, "auditbridge demo")
	if err != nil {
		return nil, err
	}
	if err := os.WriteFile(identity, pem.EncodeToMemory(block), 0o600); err != nil {
		return nil, err
	}
	authorized, err := ssh.NewPublicKey(clientPublic)
	if err != nil {
		return nil, err
	}
	_, host, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		return nil, err
	}
	hostKey, err := ssh.NewSignerFromKey(host)
	if err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, fmt.Errorf("listen for the demo's SSH server: %w", err)
	}
	line := knownhosts.Line([]string{knownhosts.Normalize(listener.Addr().String())}, hostKey.PublicKey())
	if err := os.WriteFile(knownHosts, []byte(line+"\n"), 0o644); err != nil {
		listener.Close()
		return nil, err
	}
	config := &ssh.ServerConfig{PublicKeyCallback: func(_ ssh.ConnMetadata, key ssh.PublicKey) (*ssh.Permissions, error) {
		if string(key.Marshal()) != string(authorized.Marshal()) {
			return nil, errors.New("unknown key")
		}
		return nil, nil
	}}
	config.AddHostKey(hostKey)
	return &demoSSHD{listener, config, permit}, nil
}

func (s *demoSSHD) port() int { return s.listener.Addr().(*net.TCPAddr).Port }

// Run serves until ctx ends.
func (s *demoSSHD) Run(ctx context.Context) error {
	defer context.AfterFunc(ctx, func() { s.listener.Close() })()
	for {
		conn, err := s.listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept at the demo's SSH server: %w", err)
		}
		go s.serve(ctx, conn)
	}
}

func (s *demoSSHD) serve(ctx context.Context, conn net.Conn) {
	defer conn.Close()
	defer context.AfterFunc(ctx, func() { conn.Close() })()
	var channels <-chan ssh.NewChannel
	var requests <-chan *ssh.Request
	var err error
	fips140.WithoutEnforcement(func() { // as at the other end: see tunnel's handshake
		_, channels, requests, err = ssh.NewServerConn(conn, s.config)
	})
	if err != nil {
		return // the client reports why
	}
	go func() { // keepalives are answered with "failure", which is an answer
		for r := range requests {
			r.Reply(false, nil)
		}
	}()
	for c := range channels {
		go s.forward(c)
	}
}

// forward serves one direct-tcpip channel (RFC 4254 section 7.2).
func (s *demoSSHD) forward(c ssh.NewChannel) {
	var want struct {
		Host       string
		Port       uint32
		OriginHost string
		OriginPort uint32
	}
	if c.ChannelType() != "direct-tcpip" || ssh.Unmarshal(c.ExtraData(), &want) != nil {
		c.Reject(ssh.UnknownChannelType, "only direct-tcpip")
		return
	}
	address := net.JoinHostPort(want.Host, fmt.Sprint(want.Port))
	if address != s.permit {
		c.Reject(ssh.Prohibited, "not permitted")
		return
	}
	target, err := net.Dial("tcp", address)
	if err != nil {
		c.Reject(ssh.ConnectionFailed, err.Error())
		return
	}
	channel, requests, err := c.Accept()
	if err != nil {
		target.Close()
		return
	}
	go ssh.DiscardRequests(requests)
	splice(channel, target.(*net.TCPConn))
}

// splice copies both ways and passes each side's end of stream on.
func splice(channel ssh.Channel, target *net.TCPConn) {
	defer channel.Close()
	defer target.Close()
	var both sync.WaitGroup
	both.Go(func() { io.Copy(target, channel); target.CloseWrite() })
	both.Go(func() { io.Copy(channel, target); channel.CloseWrite() })
	both.Wait()
}
