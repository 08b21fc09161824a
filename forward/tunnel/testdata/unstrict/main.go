// Unstrict is an SSH server that knows no strict key exchange: it is built with
// the last x/crypto/ssh before it. It takes any user and opens every channel.
package main

import (
	"fmt"
	"log"
	"net"
	"os"

	"golang.org/x/crypto/ssh"
)

func main() {
	text, err := os.ReadFile(os.Args[1])
	if err != nil {
		log.Fatal(err)
	}
	host, err := ssh.ParsePrivateKey(text)
	if err != nil {
		log.Fatal(err)
	}
	server := &ssh.ServerConfig{PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil }}
	server.AddHostKey(host)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(l.Addr().(*net.TCPAddr).Port)
	for {
		conn, err := l.Accept()
		if err != nil {
			log.Fatal(err)
		}
		go serve(conn, server)
	}
}

func serve(raw net.Conn, server *ssh.ServerConfig) {
	_, channels, requests, err := ssh.NewServerConn(raw, server)
	if err != nil {
		log.Print(err)
		return
	}
	go ssh.DiscardRequests(requests)
	for c := range channels {
		if _, requests, err := c.Accept(); err == nil {
			go ssh.DiscardRequests(requests)
		}
	}
}
