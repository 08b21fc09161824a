package main

import (
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"strconv"
	"syscall"

	"golang.org/x/sys/unix"
)

// harden keeps the signing key in this process: no core file, no debugger of
// the same user, and nothing that we start inherits a descriptor which whoever
// started us left open. Whatever the umask we came with, nobody else may write to
// what we make.
func harden() error {
	unix.Umask(unix.Umask(0o077) | 0o022)
	if err := unix.Setrlimit(unix.RLIMIT_CORE, &unix.Rlimit{}); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	open, err := os.ReadDir("/proc/self/fd") // of root from here on: PR_SET_DUMPABLE
	if err != nil {
		return fmt.Errorf("list inherited descriptors: %w", err)
	}
	for _, e := range open {
		if fd, err := strconv.Atoi(e.Name()); err == nil && fd > unix.Stderr {
			unix.CloseOnExec(fd)
		}
	}
	if err := unix.Prctl(unix.PR_SET_DUMPABLE, 0, 0, 0, 0); err != nil {
		return fmt.Errorf("forbid core files: %w", err)
	}
	return nil
}

// outlive makes run outlive its terminal, whatever reads its words, and the
// signals that mean something to auditd (auditctl --signal): only SIGTERM and
// SIGINT end recording. SIGHUP is handed on. stop ends that.
func outlive(log *slog.Logger, hup chan<- struct{}) (stop func()) {
	signal.Ignore(syscall.SIGPIPE) // of standard output and error
	signals := make(chan os.Signal, 4)
	signal.Notify(signals, syscall.SIGHUP, syscall.SIGUSR1, syscall.SIGUSR2)
	done := make(chan struct{})
	go func() {
		defer close(done)
		for s := range signals {
			if s == syscall.SIGHUP {
				select {
				case hup <- struct{}{}:
				default: // one is waiting already
				}
				continue
			}
			log.Warn("ignored "+unix.SignalName(s.(syscall.Signal)), "why", "it means nothing here: segments close by themselves, and `auditbridge resume` resumes recording")
		}
	}()
	return func() {
		signal.Stop(signals)
		close(signals)
		<-done
	}
}
