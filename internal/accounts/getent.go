package accounts

import (
	"bytes"
	"context"
	"errors"
	"os"
	"os/exec"
	"strconv"
	"sync/atomic"
	"syscall"
	"time"
)

// getent asks the host's name service switch, whatever is behind it, by the
// program of that name: it may load code of a directory's into its own process,
// not into ours, and it can be left alone when it hangs.
type getent struct {
	path    string // absolute; "" never asks
	timeout time.Duration

	hanging atomic.Bool // the last one has not ended, killed or not
	quiet   time.Time   // nothing is asked before
	misses  int         // in a row
}

const (
	getentTimeout = 500 * time.Millisecond
	// getentQuiet is how long nothing is asked after a time-out: a directory
	// that is down costs half a second a minute.
	getentQuiet = time.Minute
	// maxMisses in a row earn the same: a log full of the ids of containers
	// shall not become as many processes.
	maxMisses = 256
	// maxAnswer is what is read of an answer; a group's members may be many.
	maxAnswer = 64 << 10
)

// getentPaths is where it is. PATH is somebody else's word.
var getentPaths = []string{"/usr/bin/getent", "/bin/getent"}

// FindGetent returns where this host has getent, "" when nowhere.
func FindGetent() string {
	for _, path := range getentPaths {
		if st, err := os.Stat(path); err == nil && st.Mode().IsRegular() {
			return path
		}
	}
	return ""
}

// ask returns the name of id, "" when there is none. answered is false when
// that is not known: it is not asked just now, or did not answer as it should.
// One caller at a time.
func (g *getent) ask(d database, id uint32, now time.Time) (name string, answered bool) {
	if g.path == "" || now.Before(g.quiet) || g.hanging.Load() {
		return "", false
	}
	name, err := g.run(d, id)
	if err != nil {
		g.quiet, g.misses = now.Add(g.timeout+getentQuiet), 0
		return "", false
	}
	if name != "" {
		g.misses = 0
	} else if g.misses++; g.misses == maxMisses {
		g.quiet, g.misses = now.Add(getentQuiet), 0
	}
	return name, true
}

// run starts getent and waits for no longer than the time-out, even where a
// process cannot be killed because a file system it uses is gone.
func (g *getent) run(d database, id uint32) (name string, err error) {
	ctx, cancel := context.WithTimeout(context.Background(), g.timeout)
	var answer head
	cmd := exec.CommandContext(ctx, g.path, d.name, strconv.FormatUint(uint64(id), 10))
	cmd.Env = []string{"PATH=/usr/bin:/bin", "LC_ALL=C"}
	cmd.Dir = "/"
	cmd.Stdout = &answer
	cmd.SysProcAttr = &syscall.SysProcAttr{Setpgid: true}
	cmd.Cancel = func() error { return syscall.Kill(-cmd.Process.Pid, syscall.SIGKILL) }
	cmd.WaitDelay = g.timeout // a grandchild may keep the pipe open
	ended := make(chan error, 1)
	g.hanging.Store(true)
	go func() {
		defer cancel()
		err := cmd.Run()
		g.hanging.Store(false)
		ended <- err
	}()
	select {
	case err = <-ended:
	case <-ctx.Done():
		select {
		case err = <-ended: // it ends with the answer, too
		default:
			return "", ctx.Err()
		}
	}
	var exit *exec.ExitError
	if errors.As(err, &exit) && exit.ExitCode() == 2 { // no such key: getent(1)
		return "", nil
	}
	if err != nil {
		return "", err
	}
	t, err := d.read(bytes.NewReader(answer.text))
	if err != nil {
		return "", err
	}
	return t.Names[id], nil
}

// head keeps the beginning of what is written to it.
type head struct{ text []byte }

func (h *head) Write(p []byte) (int, error) {
	if room := maxAnswer - len(h.text); room > 0 {
		h.text = append(h.text, p[:min(room, len(p))]...)
	}
	return len(p), nil
}
