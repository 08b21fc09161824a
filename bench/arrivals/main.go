// Command arrivals watches a syslog file and tells how old each message is when
// it comes to stand there: the difference between its TIMESTAMP, the event's
// own time in milliseconds, and the clock. usage: arrivals FILE, ended by
// SIGTERM; then one line per MSGID: count, p50, p99 and maximum.
//
// The kernel stamps an event with the clock of its last tick (up to 4 ms old),
// and the file is looked at every millisecond; no figure is corrected for it.
package main

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"os"
	"os/signal"
	"slices"
	"syscall"
	"time"
)

func main() {
	if len(os.Args) != 2 {
		fmt.Fprintln(os.Stderr, "usage: arrivals FILE")
		os.Exit(2)
	}
	ages, err := watch(os.Args[1])
	if err != nil {
		fmt.Fprintf(os.Stderr, "arrivals: %v\n", err)
		os.Exit(1)
	}
	for id, of := range ages {
		slices.Sort(of)
		at := func(q int) time.Duration { return of[(len(of)-1)*q/100].Round(time.Millisecond) }
		fmt.Printf("%-16s n %5d  p50 %6v  p99 %6v  max %6v\n", id, len(of), at(50), at(99), at(100))
	}
}

// watch returns the ages of the messages by MSGID.
func watch(path string) (map[string][]time.Duration, error) {
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM)
	file, err := openWhenThere(path, stop)
	if err != nil {
		return nil, err
	}
	defer file.Close()
	ages, reader := map[string][]time.Duration{}, bufio.NewReader(file)
	var line []byte
	for {
		part, err := reader.ReadSlice('\n')
		line = append(line, part...)
		switch {
		case err == nil:
			// <PRI>1 TIMESTAMP HOSTNAME APP-NAME PROCID MSGID …
			fields := bytes.SplitN(line, []byte(" "), 7)
			if len(fields) < 7 {
				return nil, fmt.Errorf("not a syslog message: %q", line)
			}
			at, err := time.Parse(time.RFC3339, string(fields[1]))
			if err != nil {
				return nil, err
			}
			id := string(fields[5])
			ages[id] = append(ages[id], time.Since(at))
			line = line[:0]
		case err == io.EOF:
			select {
			case <-stop:
				return ages, nil
			case <-time.After(time.Millisecond):
			}
		case err != bufio.ErrBufferFull:
			return nil, err
		}
	}
}

func openWhenThere(path string, stop <-chan os.Signal) (*os.File, error) {
	for {
		file, err := os.Open(path)
		if !os.IsNotExist(err) {
			return file, err
		}
		select {
		case <-stop:
			return nil, err
		case <-time.After(time.Millisecond):
		}
	}
}
