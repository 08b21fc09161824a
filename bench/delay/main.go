// Delay passes TCP connections on, each byte in each direction a while after it came:
// half a round trip. usage: delay FROM-PORT TO-PORT ROUND-TRIP
package main

import (
	"fmt"
	"net"
	"os"
	"time"
)

func main() {
	roundTrip, err := time.ParseDuration(os.Args[3])
	if err == nil {
		err = serve("127.0.0.1:"+os.Args[1], "127.0.0.1:"+os.Args[2], roundTrip/2)
	}
	fmt.Fprintln(os.Stderr, "delay:", err)
	os.Exit(1)
}

func serve(from, to string, late time.Duration) error {
	l, err := net.Listen("tcp", from)
	if err != nil {
		return err
	}
	for {
		near, err := l.Accept()
		if err != nil {
			return err
		}
		far, err := net.Dial("tcp", to)
		if err != nil {
			return err
		}
		go pass(near, far, late)
		go pass(far, near, late)
	}
}

// piece is what was read at once, and when it is due.
type piece struct {
	bytes []byte
	due   time.Time
}

func pass(from, to net.Conn, late time.Duration) {
	pieces := make(chan piece, 1<<14) // more than any window holds in 64 KiB pieces
	go func() {
		defer close(pieces)
		for {
			buf := make([]byte, 64<<10)
			n, err := from.Read(buf)
			if n > 0 {
				pieces <- piece{buf[:n], time.Now().Add(late)}
			}
			if err != nil {
				return
			}
		}
	}()
	for p := range pieces {
		time.Sleep(time.Until(p.due))
		if _, err := to.Write(p.bytes); err != nil {
			return
		}
	}
	to.(*net.TCPConn).CloseWrite()
}
