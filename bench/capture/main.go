// Command capture is the recording half of auditbridge and nothing else: kernel
// source, ring, journal. It shows what recording costs without forwarding, and
// where. usage: capture JOURNAL-DIR STATE-DIR, ended by SIGTERM. With CPUPROFILE
// set it leaves a profile there.
package main

import (
	"context"
	"errors"
	"fmt"
	"log/slog"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"

	"auditbridge/auditbridge"
	"auditbridge/journal"
	"auditbridge/journal/ring"
)

func main() {
	if len(os.Args) != 3 {
		fmt.Fprintln(os.Stderr, "usage: capture JOURNAL-DIR STATE-DIR")
		os.Exit(2)
	}
	if err := record(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintf(os.Stderr, "capture: %v\n", err)
		os.Exit(1)
	}
}

func record(dir, stateDir string) error {
	// Two threads wait in system calls (design §5): they must not wait for a core, too.
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if path := os.Getenv("CPUPROFILE"); path != "" {
		end, err := profile(path)
		if err != nil {
			return err
		}
		defer end()
	}
	log := slog.New(slog.NewTextHandler(os.Stderr, nil))
	r, err := ring.Open(ring.Config{})
	if err != nil {
		return err
	}
	store, err := journal.Open(journal.Config{Dir: dir, StateDir: stateDir, Source: "kernel", GroupID: -1, Logger: log}, r)
	if err != nil {
		return err
	}
	kernel, err := auditbridge.OpenKernel(auditbridge.KernelConfig{Logger: log}, r)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() {
		received <- kernel.Run(ctx)
		r.Close() // the journal ends when it has written all
	}()
	err = errors.Join(store.Run(context.Background()), <-received)
	fmt.Fprintf(os.Stderr, "ring %+v kernel %+v\n", r.Stats(), kernel.Stats())
	return errors.Join(err, kernel.Close(), store.Close())
}

func profile(path string) (end func(), err error) {
	f, err := os.Create(path)
	if err != nil {
		return nil, err
	}
	if err := pprof.StartCPUProfile(f); err != nil {
		return nil, err
	}
	return func() { pprof.StopCPUProfile(); f.Close() }, nil
}
