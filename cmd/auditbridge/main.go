// Command auditbridge hears the kernel's audit records, keeps them in a sealed
// log and ships them to remote-logging servers. Each subcommand has a file of
// its own; this one decides what is printed when it fails and how we exit.
package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"

	"auditbridge/internal/terminal"
)

func main() { os.Exit(run()) }

// run is main with an exit status, so that tests can call it as a command. A
// signal ends it at once, except where there is something to give back first.
func run() int {
	err := newRootCommand(os.Args[1:]).ExecuteContext(context.Background())
	report(os.Stderr, err)
	return exitCode(err)
}

// untilSignal ends the context at SIGINT or SIGTERM, for a command that has
// something to give back.
func untilSignal(ctx context.Context) (context.Context, context.CancelFunc) {
	ctx, cancel := context.WithCancelCause(ctx)
	came := make(chan os.Signal, 1)
	signal.Notify(came, syscall.SIGINT, syscall.SIGTERM)
	go func() {
		select {
		case s := <-came:
			cancel(signalled{s})
		case <-ctx.Done():
		}
	}()
	return ctx, func() { signal.Stop(came); cancel(nil) }
}

// signalled is the cause of a context that a signal ended, which one included: the
// kernel remembers who sent a SIGTERM, not who sent a SIGINT.
type signalled struct{ os.Signal }

func (s signalled) Error() string        { return "signal: " + s.String() }
func (s signalled) Is(target error) bool { return target == context.Canceled }

// report is the one place that prints an error: a line that says what failed
// and, where the error knows one, a line that says what to do.
func report(w io.Writer, err error) {
	if err == nil {
		return
	}
	if text := err.Error(); text != "" {
		fmt.Fprintf(w, "auditbridge: error: %s\n", terminal.SafeLines(text))
	}
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) && hinted.Hint() != "" {
		fmt.Fprintf(w, "auditbridge: hint: %s\n", terminal.SafeLines(hinted.Hint()))
	}
}

// exitCode is 0 for success, what the error asks for, else 1.
func exitCode(err error) int {
	if err == nil {
		return 0
	}
	var coded interface{ ExitCode() int }
	if errors.As(err, &coded) {
		return coded.ExitCode()
	}
	return 1
}
