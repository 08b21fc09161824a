package main

import (
	"context"
	"fmt"
	"log/slog"
	"os"
	"sync"
	"time"

	systemd "github.com/coreos/go-systemd/v22/daemon"
	"golang.org/x/sys/unix"
)

// supervisor is who started run and wants to hear how it is: systemd
// (sd_notify(3)), or nobody, and then nothing is said.
type supervisor struct {
	log      *slog.Logger
	watchdog time.Duration              // how long it bears to hear nothing; 0 is for ever
	stuck    func(time.Duration) string // which stage has not moved for so long; "" is none

	mu    sync.Mutex // what is said is said in order
	phase phase
	holds bool // the kernel's audit socket, for an heir of ours
}

// phase is what the supervisor was told last.
type phase int

const (
	starting phase = iota
	serving
	stopping
	replaced
)

// longestStandstill is how long a stage that is at work may seem not to be: an
// idle one goes round every few seconds, and a disk may take its time.
const longestStandstill = 15 * time.Second

func newSupervisor(log *slog.Logger, stuck func(time.Duration) string) *supervisor {
	s := &supervisor{log: log, stuck: stuck}
	var err error
	if s.watchdog, err = systemd.SdWatchdogEnabled(false); err != nil {
		log.Warn("the service manager's watchdog is not served", "err", err)
	}
	return s
}

// Run says that we are ready when begun is closed. From then on until ctx ends it
// tells the watchdog that all stages move, and nothing when one does not, so that
// we are killed and started again: the ring has what was heard.
func (s *supervisor) Run(ctx context.Context, begun <-chan struct{}) error {
	select {
	case <-begun:
		s.turn(starting, serving, systemd.SdNotifyReady)
	case <-ctx.Done():
		return nil
	}
	if s.watchdog == 0 {
		return nil
	}
	tick := time.NewTicker(s.watchdog / 3)
	defer tick.Stop()
	for {
		if stage := s.stuck(max(s.watchdog/2, longestStandstill)); stage == "" {
			s.say(systemd.SdNotifyWatchdog)
		} else {
			s.log.Error("a stage does not move: the watchdog is left to find out", "stage", stage)
		}
		select {
		case <-ctx.Done():
			return nil
		case <-tick.C:
		}
	}
}

// stops says that nothing more is heard.
func (s *supervisor) stops() {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == starting || s.phase == serving {
		s.phase = stopping
		s.forgetSocket()
		s.say(systemd.SdNotifyStopping)
	}
}

// reloads says that the configuration is being taken over, until done is called.
func (s *supervisor) reloads() (done func()) {
	var now unix.Timespec
	if err := unix.ClockGettime(unix.CLOCK_MONOTONIC, &now); err != nil {
		s.log.Warn("the service manager is not told of a reload", "err", err)
		return func() {}
	}
	s.turn(serving, serving, fmt.Sprintf("%s\nMONOTONIC_USEC=%d", systemd.SdNotifyReloading, now.Nano()/1000))
	return func() { s.turn(serving, serving, systemd.SdNotifyReady) }
}

// restarts says that another program takes our place; that one says when it is
// ready. To systemd this is a reload: the process stays.
func (s *supervisor) restarts() {
	s.reloads()
	s.mu.Lock()
	defer s.mu.Unlock()
	s.phase = replaced
}

// keep has the service manager hold the kernel's audit socket (sd_notify(3), file
// descriptor store), so that it outlives us and our heir is given it. It is not to
// look whether anything happens on it.
func (s *supervisor) keep(socket int) {
	s.keeps()
	if err := passDescriptor(socket, "FDSTORE=1\nFDPOLL=0\nFDNAME="+storedSocket); err != nil {
		s.log.Warn("the service manager does not keep the audit socket: what comes after a crash is lost", "err", err)
	}
}

// keeps notes that the service manager holds the socket.
func (s *supervisor) keeps() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.holds = true
}

// forget says that no heir needs the socket.
func (s *supervisor) forget() {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.forgetSocket()
}

// forgetSocket is forget for who holds mu.
func (s *supervisor) forgetSocket() {
	if s.holds {
		s.holds = false
		s.say("FDSTOREREMOVE=1\nFDNAME=" + storedSocket)
	}
}

// passDescriptor says something of a descriptor, which go-systemd cannot.
func passDescriptor(fd int, state string) error {
	to := os.Getenv("NOTIFY_SOCKET")
	if to == "" {
		return nil
	}
	from, err := unix.Socket(unix.AF_UNIX, unix.SOCK_DGRAM|unix.SOCK_CLOEXEC, 0)
	if err != nil {
		return err
	}
	defer unix.Close(from)
	return unix.Sendmsg(from, []byte(state), unix.UnixRights(fd), &unix.SockaddrUnix{Name: to}, 0)
}

// turn says something that is true only in one phase.
func (s *supervisor) turn(from, to phase, state string) {
	s.mu.Lock()
	defer s.mu.Unlock()
	if s.phase == from {
		s.phase = to
		s.say(state)
	}
}

func (s *supervisor) say(state string) {
	if _, err := systemd.SdNotify(false, state); err != nil {
		s.log.Warn("the service manager does not listen", "state", state, "err", err)
	}
}

// begun is closed when the source hears; at once where it cannot tell.
func (d *daemon) begun() <-chan struct{} {
	if from, tells := d.source.(interface{ Begun() <-chan struct{} }); tells {
		return from.Begun()
	}
	at := make(chan struct{})
	close(at)
	return at
}

// standing names a stage that should move and has not for so long. A source that
// reads a pipe or a file may wait for it for ever; and what takes how long at the
// end is TimeoutStopSec's business.
func (d *daemon) standing(limit time.Duration) string {
	select {
	case <-d.ended:
		return ""
	default:
	}
	stages := map[string]time.Time{"journal": d.journal.Mark().Heartbeat()}
	if from, tells := d.source.(interface{ Turned() time.Time }); tells {
		stages["source"] = from.Turned()
	}
	for stage, turned := range stages {
		if time.Since(turned) > limit {
			return stage
		}
	}
	return ""
}
