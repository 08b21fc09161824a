// Command arrivals watches a syslog file and tells how old each message is when
// it comes to stand there: the difference between its TIMESTAMP, the event's
// own time in milliseconds, and the clock. usage: arrivals FILE TEXT…, ended by
// SIGTERM; then one line per TEXT about the messages that contain it: count,
// p50, p99 and maximum.
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
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, "usage: arrivals FILE TEXT...")
		os.Exit(2)
	}
	texts := os.Args[2:]
	ages, err := watch(os.Args[1], texts)
	if err != nil {
		fmt.Fprintf(os.Stderr, "arrivals: %v\n", err)
		os.Exit(1)
	}
	for _, text := range texts {
		of := ages[text]
		if len(of) == 0 {
			continue
		}
		slices.Sort(of)
		at := func(percent int) time.Duration { return of[(len(of)-1)*percent/100].Round(time.Millisecond) }
		fmt.Printf("%-16s n %5d  p50 %6v  p99 %6v  max %6v\n", text, len(of), at(50), at(99), at(100))
	}
}

// watch returns the ages of the messages by the first text they contain.
func watch(path string, texts []string) (map[string][]time.Duration, error) {
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
			if i := slices.IndexFunc(texts, func(text string) bool { return bytes.Contains(line, []byte(text)) }); i >= 0 {
				at, err := timestamp(line)
				if err != nil {
					return nil, err
				}
				ages[texts[i]] = append(ages[texts[i]], time.Since(at))
			}
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

// timestamp reads <PRI>1 TIMESTAMP HOSTNAME ….
func timestamp(line []byte) (time.Time, error) {
	fields := bytes.SplitN(line, []byte(" "), 3)
	if len(fields) < 3 {
		return time.Time{}, fmt.Errorf("not a syslog message: %q", line)
	}
	return time.Parse(time.RFC3339, string(fields[1]))
}
