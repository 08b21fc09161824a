// Command gen makes audited events as fast as a process can: getpgid(999999)
// fails at once and costs next to nothing itself. The rule that audits it is
//
//	auditctl -a always,exit -F arch=b64 -S getpgid -F a0=999999 -k KEY
//
// At SIGTERM, and when whoever started it has ended, it ends before it has made them
// all. It prints how many it made.
//
// usage: gen COUNT [PER-SECOND]
package main

import (
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"strconv"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"
)

// Whether the kernel holds the calls back shows in the main thread's state.
func init() { runtime.LockOSThread() }

func main() {
	count, perSecond, err := arguments(os.Args[1:])
	if err != nil {
		fmt.Fprintf(os.Stderr, "gen: %v\nusage: gen COUNT [PER-SECOND]\n", err)
		os.Exit(2)
	}
	var told atomic.Bool
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, unix.SIGTERM)
	go func() {
		<-signals
		told.Store(true)
	}()
	go func() {
		for parent := os.Getppid(); os.Getppid() == parent; {
			time.Sleep(100 * time.Millisecond)
		}
		told.Store(true)
	}()
	start, made := time.Now(), 0
	for i := range count {
		if told.Load() {
			break
		}
		made++
		unix.RawSyscall(unix.SYS_GETPGID, 999999, 0, 0)
		// Paced in bursts of a millisecond: a sleep per event would pace nothing.
		if perSecond > 0 && i%max(perSecond/1000, 1) == 0 {
			due := start.Add(time.Duration(i) * time.Second / time.Duration(perSecond))
			time.Sleep(time.Until(due))
		}
	}
	fmt.Println(made)
}

func arguments(args []string) (count, perSecond int, err error) {
	if len(args) < 1 || len(args) > 2 {
		return 0, 0, fmt.Errorf("%d arguments", len(args))
	}
	if count, err = strconv.Atoi(args[0]); err != nil || len(args) == 1 {
		return count, 0, err
	}
	perSecond, err = strconv.Atoi(args[1])
	return count, perSecond, err
}
