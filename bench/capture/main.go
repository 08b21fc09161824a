// Command capture is the receive side of auditbridge alone: the kernel source,
// the ring, and a writer that hashes the lines and writes them to a file with a
// group commit, as the journal does, but without its format. It shows what is
// attainable; usage: capture FILE, ended by SIGTERM.
package main

import (
	"bytes"
	"context"
	"crypto/sha256"
	"fmt"
	"os"
	"os/signal"
	"runtime"
	"runtime/pprof"
	"syscall"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/journal/ring"
)

func main() {
	if err := run(os.Args[1]); err != nil {
		fmt.Fprintf(os.Stderr, "capture: %v\n", err)
		os.Exit(1)
	}
}

func run(path string) error {
	runtime.GOMAXPROCS(runtime.NumCPU() + 2)
	ctx, stop := signal.NotifyContext(context.Background(), syscall.SIGTERM)
	defer stop()
	if profile := os.Getenv("CPUPROFILE"); profile != "" {
		f, err := os.Create(profile)
		if err != nil {
			return err
		}
		if err := pprof.StartCPUProfile(f); err != nil {
			return err
		}
		defer pprof.StopCPUProfile()
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_WRONLY|os.O_TRUNC, 0o600)
	if err != nil {
		return err
	}
	r, err := ring.Open(ring.Config{})
	if err != nil {
		return err
	}
	kernel, err := auditbridge.OpenKernel(auditbridge.KernelConfig{}, r)
	if err != nil {
		return err
	}
	received := make(chan error, 1)
	go func() {
		received <- kernel.Run(ctx)
		r.Close()
	}()
	if err := write(file, r); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "%+v %+v\n", r.Stats(), kernel.Stats())
	return <-received
}

// write is the journal's loop without its format.
func write(file *os.File, r *ring.Ring) error {
	hash, offset := sha256.New(), int64(0)
	dirty := make(chan struct{}, 1)
	go func() {
		for range dirty {
			file.Sync()
			time.Sleep(50 * time.Millisecond)
		}
	}()
	for !r.Drained() {
		lines := r.Pending()
		if len(lines) == 0 {
			<-r.Wake()
			continue
		}
		hash.Write(lines)
		r.Intent(1, uint64(offset), len(lines))
		if _, err := file.WriteAt(lines, offset); err != nil {
			return err
		}
		offset += int64(len(lines))
		r.Written(len(lines), bytes.Count(lines, []byte{'\n'}))
		select {
		case dirty <- struct{}{}:
		default:
		}
	}
	return file.Sync()
}
