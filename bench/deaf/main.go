// Command deaf is a log server that takes connections and reads nothing from
// them. usage: deaf PORT
package main

import (
	"fmt"
	"net"
	"os"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: deaf PORT")
		os.Exit(2)
	}
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", os.Args[1]))
	if err != nil {
		fmt.Fprintf(os.Stderr, "deaf: %v\n", err)
		os.Exit(1)
	}
	var held []net.Conn // kept, or the collector would close them
	for {
		conn, err := listener.Accept()
		if err != nil {
			fmt.Fprintf(os.Stderr, "deaf: %v\n", err)
			os.Exit(1)
		}
		held = append(held, conn)
	}
}
