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
	if err := listen(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "deaf: %v\n", err)
		os.Exit(1)
	}
}

func listen(port string) error {
	listener, err := net.Listen("tcp", net.JoinHostPort("127.0.0.1", port))
	if err != nil {
		return err
	}
	for {
		conn, err := listener.Accept()
		if err != nil {
			return err
		}
		defer conn.Close() // held until we end: a connection nobody holds is closed
	}
}
