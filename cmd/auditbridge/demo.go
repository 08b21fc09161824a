package main

import (
	"bytes"
	"context"
	_ "embed"
	"errors"
	"fmt"
	"io"
	"net"
	"os"
	"os/exec"
	"os/user"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"time"

	"auditbridge/internal/control"
	"auditbridge/internal/status"

	"github.com/spf13/cobra"
)

// demoCapture is what the demonstration plays where it may not use the live
// kernel: a failed and a successful SSH login, a session, its end.
//
//go:embed demo_capture.log
var demoCapture []byte

// demoLimit bounds the whole demonstration.
const demoLimit = 90 * time.Second

func newDemoCommand() *cobra.Command {
	return &cobra.Command{
		Use:   "demo",
		Short: "Do the main job on this machine, with nothing to configure",
		Long: `Runs the real daemon between the kernel and a log server of its own behind an SSH
server of its own, prints each event as it arrives there, then the balance sheet.
As root, with kernel audit unused, it hears the live kernel under a few rules that
it removes again; otherwise it plays a bundled capture. It says which.
Exit 0 only if every record arrived, the far end's copy verifies, and the books balance.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			ctx, stop := untilSignal(cmd.Context())
			defer stop()
			ctx, cancel := context.WithTimeout(ctx, demoLimit)
			defer cancel()
			return runDemo(ctx, cmd.OutOrStdout())
		},
	}
}

func runDemo(ctx context.Context, out io.Writer) (err error) {
	dir, err := os.MkdirTemp("", "auditbridge-demo-")
	if err != nil {
		return err
	}
	defer os.RemoveAll(dir)
	d := &demo{dir: dir, out: out, far: newFarEnd(out)}
	kernel, why := liveKernel()
	if kernel != nil {
		defer func() { err = errors.Join(err, kernel.Close()) }()
		fmt.Fprintln(out, "Source: the live kernel, under a few rules for a few seconds.")
	} else {
		fmt.Fprintf(out, "Source: the bundled capture, because the live kernel is not free: %s.\n", why)
	}
	if err := d.prepare(ctx, kernel != nil); err != nil {
		return err
	}
	fmt.Fprintf(out, "Path:   journal in %s → SSH on 127.0.0.1:%d → log server on %s\n\nArriving at the far end:\n",
		d.journalDir(), d.sshd.port(), d.receiver.address())
	if err := d.start(ctx); err != nil {
		return d.explain(err)
	}
	defer d.kill()
	marks, err := d.perform(ctx, kernel)
	if err != nil {
		return d.explain(err)
	}
	if err := d.arrive(ctx, marks); err != nil {
		return d.explain(err)
	}
	if err := d.stop(ctx); err != nil {
		return d.explain(err)
	}
	return d.balance(len(marks))
}

// demo is one demonstration: a far end in this process, and the real daemon as
// a child.
type demo struct {
	dir      string
	out      io.Writer
	far      *farEnd
	sshd     *demoSSHD
	receiver *demoReceiver
	live     bool

	run   *exec.Cmd
	input io.WriteCloser // the daemon's standard input: the capture, when not live
	log   bytes.Buffer   // what the daemon said; read only after ended is closed
	ended chan struct{}  // closed when the daemon has ended, with
	err   error          // its error
}

func (d *demo) journalDir() string { return filepath.Join(d.dir, "journal") }
func (d *demo) runDir() string     { return filepath.Join(d.dir, "run") }
func (d *demo) configFile() string { return filepath.Join(d.dir, "auditbridge.toml") }

// prepare starts the far end and writes keys and configuration.
func (d *demo) prepare(ctx context.Context, live bool) (err error) {
	d.live = live
	if err := os.Chmod(d.dir, 0o755); err != nil { // ship reads its keys as another user
		return err
	}
	if d.receiver, err = newDemoReceiver(d.far.arrived); err != nil {
		return err
	}
	identity, known := filepath.Join(d.dir, "id"), filepath.Join(d.dir, "known_hosts")
	if d.sshd, err = newDemoSSHD(d.receiver.address(), identity, known); err != nil {
		return err
	}
	shipUser, err := demoShipUser(identity)
	if err != nil {
		return err
	}
	go d.receiver.Run(ctx)
	go d.sshd.Run(ctx)
	return os.WriteFile(d.configFile(), []byte(d.config(shipUser, identity, known)), 0o644)
}

// demoShipUser is who ship runs as: nobody when we are root, else who we are.
// The identity file is given to that user.
func demoShipUser(identity string) (string, error) {
	if os.Geteuid() != 0 {
		me, err := user.Current()
		if err != nil {
			return "", fmt.Errorf("find out who runs the demo: %w", err)
		}
		return me.Username, nil
	}
	nobody, err := user.Lookup("nobody")
	if err != nil {
		return "", fmt.Errorf("find an unprivileged user for ship: %w", err)
	}
	uid, err := strconv.Atoi(nobody.Uid)
	if err != nil {
		return "", fmt.Errorf("find an unprivileged user for ship: uid %q: %w", nobody.Uid, err)
	}
	return nobody.Username, os.Chown(identity, uid, -1)
}

func (d *demo) config(shipUser, identity, known string) string {
	source := "plugin"
	if d.live {
		source = "kernel"
	}
	host, port, _ := net.SplitHostPort(d.receiver.address())
	return fmt.Sprintf(`node        = "demo"
journal-dir = %q
state-dir   = %q
run-dir     = %q
ship-user   = %q

[audit]
source    = %q
retention = "1d"

[[remote-logging-server]]
name     = "far-end"
address  = "127.0.0.1"
port     = 7777
protocol = "tcp"
format   = "audit"
start    = "oldest"

[[port-forwarding]]
name           = "tunnel"
server-address = "127.0.0.1"
server-port    = %d
remote-host    = %q
remote-port    = %s
local-address  = "127.0.0.1"
local-port     = 7777
user           = "audit"
identity-file  = %q
known-hosts    = %q
`, d.journalDir(), filepath.Join(d.dir, "state"), d.runDir(), shipUser, source, d.sshd.port(), host, port, identity, known)
}

// start starts the daemon and waits until it answers.
func (d *demo) start(ctx context.Context) (err error) {
	d.run = exec.Command("/proc/self/exe", "run", "--config", d.configFile())
	d.run.Args[0] = "auditbridge"
	d.run.Stdout, d.run.Stderr = &d.log, &d.log
	d.run.SysProcAttr = &syscall.SysProcAttr{Pdeathsig: syscall.SIGTERM}
	runtime.LockOSThread() // the signal is sent when this thread ends, so no goroutine that ends its thread may come to run on it
	if d.input, err = d.run.StdinPipe(); err != nil {
		return err
	}
	if err := d.run.Start(); err != nil {
		return fmt.Errorf("start the daemon: %w", err)
	}
	d.ended = make(chan struct{})
	go func() {
		d.err = d.run.Wait()
		close(d.ended)
	}()
	return d.until(ctx, "the daemon answers", func() bool {
		var s status.Status
		err := control.Ask(ctx, filepath.Join(d.runDir(), control.SocketName), askStatus, nil, &s)
		return err == nil && len(s.Destinations) == 1 && s.Destinations[0].Connected
	})
}

// perform makes events happen, spread over a few seconds, and returns the marks
// that must be found at the far end.
func (d *demo) perform(ctx context.Context, k *demoKernel) (marks []string, err error) {
	if k == nil {
		if _, err := d.input.Write(demoCapture); err != nil {
			return nil, fmt.Errorf("play the bundled capture: %w", err)
		}
		return nil, nil
	}
	watched := filepath.Join(d.dir, "passwd")
	if err := touch(watched); err != nil {
		return nil, err
	}
	if err := k.addRules(watched); err != nil {
		return nil, err
	}
	const rounds = 24
	for n := range rounds {
		if err := errors.Join(k.sendMessage(n), touch(watched)); err != nil {
			return nil, err
		}
		callGetpgid()
		marks = append(marks, messageMark(n))
		select {
		case <-ctx.Done():
			return nil, context.Cause(ctx)
		case <-time.After(250 * time.Millisecond):
		}
	}
	if err := login(os.Getuid()); err != nil {
		return nil, err
	}
	return append(marks, `key="`+demoMark+`"`, `key="identity"`, "type=LOGIN "), nil
}

// arrive waits until everything is at the far end.
func (d *demo) arrive(ctx context.Context, marks []string) error {
	want := bytes.Count(demoCapture, []byte("\n"))
	err := d.until(ctx, "every record arrives", func() bool {
		if d.live {
			return len(d.far.has(marks)) == 0
		}
		d.far.mu.Lock()
		defer d.far.mu.Unlock()
		return d.far.kernel >= want
	})
	if missing := d.far.has(marks); err != nil && len(missing) > 0 {
		return fmt.Errorf("%w: missing at the far end: %s", err, strings.Join(missing, ", "))
	}
	return err
}

// until waits for holds, for the daemon's end, or for the end of time.
func (d *demo) until(ctx context.Context, what string, holds func() bool) error {
	for !holds() {
		select {
		case <-d.ended:
			return fmt.Errorf("wait until %s: the daemon ended: %v", what, d.err)
		case <-ctx.Done():
			return fmt.Errorf("wait until %s: %w", what, context.Cause(ctx))
		case <-time.After(20 * time.Millisecond):
		}
	}
	return nil
}

// stop ends the daemon as an administrator would and waits for it.
func (d *demo) stop(ctx context.Context) error {
	d.input.Close()
	if d.live {
		d.run.Process.Signal(syscall.SIGTERM)
	}
	select {
	case <-d.ended:
		if d.err != nil {
			return fmt.Errorf("stop the daemon: %w", d.err)
		}
		return nil
	case <-ctx.Done():
		return fmt.Errorf("stop the daemon: %w", context.Cause(ctx))
	}
}

// kill makes sure that no daemon outlives the demonstration.
func (d *demo) kill() {
	d.run.Process.Signal(syscall.SIGTERM)
	select {
	case <-d.ended:
	case <-time.After(15 * time.Second):
		d.run.Process.Kill()
		<-d.ended
	}
}

// explain puts what the daemon said below an error.
func (d *demo) explain(err error) error {
	if d.ended == nil {
		return err
	}
	d.kill()
	return fmt.Errorf("%w\nthe daemon said:\n%s", err, d.log.String())
}
