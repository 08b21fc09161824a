package faultdisk

import (
	"bufio"
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"

	"golang.org/x/sys/unix"
)

// Fault says which operations on a Faulty disk fail, and how.
type Fault struct {
	// Op is create, open, write, sync, truncate, allocate, rename, remove, symlink
	// or syncdir; "" is any of them that changes something.
	Op string
	// Name is the name of what it is done to, a pattern as path.Match has it; ""
	// is any.
	Name   string
	Errno  syscall.Errno // 0 with Half: a write that is short and no error
	Effect Effect
	After  int // so many go well before the first fails
	Times  int // so many fail, the next go well again; 0 is until Heal
}

// Effect is what a failing operation does all the same.
type Effect int

const (
	// None: nothing. A sync that fails so takes what was not synced with it, and
	// the next says yes: what Linux file systems do with a page they could not
	// write.
	None  Effect = iota
	Half         // half of the bytes of a write
	Whole        // all it should have
)

// Faulty is a mounted file system whose operations fail as told. Another
// process, this very binary, serves it through FUSE, so every error comes to
// the program under test from the kernel, as a disk's does.
type Faulty struct {
	Dir     string // where it is mounted, of root's alone
	process *os.Process
	ask     *json.Encoder
	replies *json.Decoder
}

// served, in the environment, makes Main serve a file system.
const served = "FAULTDISK_SERVE"

// Main serves a file system and does not return when this process was started
// for that. Whoever uses Mount calls it first in TestMain.
func Main() {
	if at := os.Getenv(served); at != "" {
		if err := serve(at); err != nil {
			fmt.Fprintln(os.Stderr, "serve a faulty file system:", err)
			os.Exit(1)
		}
		os.Exit(0)
	}
}

// Mount mounts a disk without faults for the rest of the test. What it holds is
// kept in memory.
func Mount(t testing.TB) *Faulty {
	t.Helper()
	base, err := os.MkdirTemp("/dev/shm", "faulty")
	if err != nil {
		t.Fatal(err)
	}
	f := &Faulty{Dir: filepath.Join(base, "mounted")}
	for _, dir := range []string{f.Dir, filepath.Join(base, "kept")} {
		if err := os.Mkdir(dir, 0o700); err != nil {
			t.Fatal(err)
		}
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), served+"="+base)
	cmd.Stderr = os.Stderr
	in, err := cmd.StdinPipe()
	if err != nil {
		t.Fatal(err)
	}
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peertest.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		unix.Unmount(f.Dir, unix.MNT_DETACH)
		in.Close()
		cmd.Process.Kill()
		cmd.Wait()
		os.RemoveAll(base)
	})
	f.process = cmd.Process
	f.ask, f.replies = json.NewEncoder(in), json.NewDecoder(bufio.NewReader(out))
	f.exchange(t, nil) // it answers once it is mounted
	return f
}

// Break puts faults in force, in the place of those before.
func (f *Faulty) Break(t testing.TB, faults ...Fault) { t.Helper(); f.exchange(t, faults) }

// Heal ends all faults and returns how many operations failed since Break.
func (f *Faulty) Heal(t testing.TB) (hits int) { t.Helper(); return f.exchange(t, nil) }

// Vanish ends the server: from then on every operation fails with ENOTCONN.
func (f *Faulty) Vanish() { f.process.Kill() }

func (f *Faulty) exchange(t testing.TB, faults []Fault) (hits int) {
	t.Helper()
	if err := f.ask.Encode(faults); err != nil {
		t.Fatal("tell the faulty disk what to do:", err)
	}
	if err := f.replies.Decode(&hits); err != nil {
		t.Fatal("the faulty disk's answer:", err)
	}
	return hits
}
