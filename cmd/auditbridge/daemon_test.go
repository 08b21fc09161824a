package main

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"

	"auditbridge/config"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// instance is `auditbridge run` as a child process, with everything it keeps in
// a directory of the test's.
type instance struct {
	t       *testing.T
	dir     string
	journal string
	config  string
	root    string          // in front of every path where people are told something
	as      func(*exec.Cmd) // how to run it, when not like a child of any kind
	cmd     *exec.Cmd
	stdin   *os.File // write end of its standard input
	said    *lockedBuffer
	ended   chan struct{}
	err     error // once ended is closed
}

// newDaemon writes the configuration: settings, then where things are kept.
// settings may begin with top-level keys.
func newDaemon(t *testing.T, settings string) *instance {
	t.Helper()
	dir := t.TempDir()
	for d := dir; d != filepath.Clean(os.TempDir()) && d != "/"; d = filepath.Dir(d) {
		os.Chmod(d, 0o755) // ship, another user, reads its keys below
	}
	d := &instance{t: t, dir: dir, root: filepath.Join(dir, "root"), journal: filepath.Join(dir, "journal"), config: filepath.Join(dir, "auditbridge.toml")}
	d.configure(settings)
	t.Cleanup(d.keepSamples)
	return d
}

// keepSamples appends our own records of the test's journal to the file that
// AUDITBRIDGE_SAMPLES names: docs/records.log is chosen from them.
func (d *instance) keepSamples() {
	name := os.Getenv("AUDITBRIDGE_SAMPLES")
	if name == "" {
		return
	}
	f, err := os.OpenFile(name, os.O_WRONLY|os.O_CREATE|os.O_APPEND, 0o600)
	if err != nil {
		d.t.Fatal(err)
	}
	defer f.Close()
	for _, line := range d.journalLines() {
		if strings.HasPrefix(line, "type=DAEMON_") && strings.Contains(line, "): op=") {
			fmt.Fprintln(f, line)
		}
	}
}

func (d *instance) configure(settings string) {
	d.t.Helper()
	places := fmt.Sprintf("journal-dir = %q\nstate-dir = %q\nrun-dir = %q\nship-user = %q\n",
		d.journal, filepath.Join(d.dir, "state"), filepath.Join(d.dir, "run"), "nobody")
	if err := os.WriteFile(d.config, []byte(places+settings), 0o600); err != nil {
		d.t.Fatal(err)
	}
}

// identity copies a private key to where ship may read it.
func (d *instance) identity(path string) string {
	d.t.Helper()
	key, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	own := filepath.Join(d.dir, "id")
	if err := os.WriteFile(own, key, 0o600); err != nil {
		d.t.Fatal(err)
	}
	if err := os.Chown(own, 65534, 65534); err != nil {
		d.t.Fatal(err)
	}
	return own
}

// public copies a file to where everybody may read it.
func (d *instance) public(path string) string {
	d.t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		d.t.Fatal(err)
	}
	own := filepath.Join(d.dir, "public-"+filepath.Base(path))
	if err := os.WriteFile(own, text, 0o644); err != nil {
		d.t.Fatal(err)
	}
	return own
}

// start runs it and waits until it answers.
func (d *instance) start() {
	d.t.Helper()
	d.launch()
	peertest.Until(d.t, "auditbridge run answers", func() bool {
		select {
		case <-d.ended:
			d.t.Fatalf("auditbridge run ended: %v\n%s", d.err, d.said)
		default:
		}
		s, ok := d.status()
		return ok && s.Running && s.Answering && (s.Source != "kernel" || s.Kernel != nil && s.Kernel.Ours) // it answers before it hears
	})
}

// launch runs it and waits for nothing.
func (d *instance) launch() {
	d.t.Helper()
	d.cmd = program("run", "--config", d.config)
	d.cmd.Env = append(os.Environ(), watchRootVariable+"="+d.root)
	stdin, feed, err := os.Pipe()
	if err != nil {
		d.t.Fatal(err)
	}
	d.stdin = feed
	said := &lockedBuffer{}
	d.said = said
	d.cmd.Stdin, d.cmd.Stdout, d.cmd.Stderr = stdin, said, said
	if d.as != nil {
		d.as(d.cmd)
	}
	if err := peertest.StartChild(d.cmd); err != nil {
		d.t.Fatal(err)
	}
	stdin.Close()
	ended := make(chan struct{})
	d.ended = ended
	cmd := d.cmd
	go func() {
		d.err = cmd.Wait()
		close(ended)
	}()
	d.t.Cleanup(func() {
		feed.Close()
		cmd.Process.Signal(syscall.SIGKILL)
		<-ended
		if d.t.Failed() {
			d.t.Logf("auditbridge run said:\n%s", said)
		}
	})
}

// stop ends it as an administrator does.
func (d *instance) stop() {
	d.t.Helper()
	d.cmd.Process.Signal(syscall.SIGTERM)
	<-d.ended
	if d.err != nil {
		d.t.Fatalf("auditbridge run: %v\n%s", d.err, d.said)
	}
}

// kill ends it as a crash does, and waits until nothing of it is left.
func (d *instance) kill() {
	d.t.Helper()
	children := peertest.Descendants(d.cmd.Process.Pid)
	d.cmd.Process.Signal(syscall.SIGKILL)
	<-d.ended
	peertest.Until(d.t, "ship has noticed that run is gone", func() bool {
		return !slices.ContainsFunc(children, func(pid int) bool { return !peertest.HasEnded(pid) })
	})
}

// status is what `auditbridge status --json` prints, by its own means, without a
// process for each look; ok says that it could be read.
func (d *instance) status() (s status.Status, ok bool) {
	c, _ := config.Load(d.config) // one that is wrong is used as far as it goes
	now, err := currentStatus(context.Background(), c)
	if err != nil {
		return s, false
	}
	var printed bytes.Buffer
	if err := writeIndented(&printed, now); err != nil {
		return s, false
	}
	return s, json.Unmarshal(printed.Bytes(), &s) == nil
}

// program is a command of the program under test: this very binary, which
// TestMain makes behave as auditbridge when it is called so.
func program(args ...string) *exec.Cmd {
	cmd := exec.Command("/proc/self/exe", args...)
	cmd.Args[0] = "auditbridge"
	return cmd
}

// auditbridge runs a command to its end and returns what it printed and its
// exit code.
func auditbridgeCommand(t *testing.T, args ...string) (stdout, stderr string, code int) {
	t.Helper()
	cmd := program(args...)
	var out, errs bytes.Buffer
	cmd.Stdout, cmd.Stderr = &out, &errs
	if err := cmd.Run(); err != nil && cmd.ProcessState == nil {
		t.Fatal(err)
	}
	return out.String(), errs.String(), cmd.ProcessState.ExitCode()
}

// lines reads a file as lines without their LF.
func lines(t *testing.T, path string) []string {
	t.Helper()
	text, err := os.ReadFile(path)
	if err != nil {
		t.Fatal(err)
	}
	return strings.Split(strings.TrimSuffix(string(text), "\n"), "\n")
}

// journalLines reads the journal from its files, as an auditor would.
func (d *instance) journalLines() (all []string) {
	d.t.Helper()
	segments, err := filepath.Glob(filepath.Join(d.journal, "0*.log"))
	if err != nil {
		d.t.Fatal(err)
	}
	for _, s := range segments {
		all = append(all, lines(d.t, s)...)
	}
	return all
}

type lockedBuffer struct {
	mu  sync.Mutex
	buf bytes.Buffer
}

func (b *lockedBuffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.Write(p)
}

func (b *lockedBuffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.buf.String()
}
