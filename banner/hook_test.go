package banner

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// script makes an executable file.
func script(t *testing.T, text string) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "hook")
	if err := os.WriteFile(path, []byte("#!/bin/sh\n"+text+"\n"), 0o700); err != nil {
		t.Fatal(err)
	}
	return path
}

// A hook gets what happened as JSON on its standard input, and an environment in
// which nothing of ours is left.
func TestAHookGetsJSON(t *testing.T) {
	t.Setenv("SECRET", "ours")
	out := filepath.Join(t.TempDir(), "out")
	hook := script(t, "{ cat; env | grep -v ^_= | sort; pwd; } >"+out)
	if err := RunHook(context.Background(), hook, map[string]string{"state": "impaired"}); err != nil {
		t.Fatal(err)
	}
	if got := text(t, out); got != "{\"state\":\"impaired\"}\nHOME=/\nLANG=C\nPATH=/usr/sbin:/usr/bin:/sbin:/bin\nPWD=/\n/\n" {
		t.Errorf("%q", got)
	}
}

func TestAHookThatFailsSaysWhy(t *testing.T) {
	err := RunHook(context.Background(), script(t, `printf 'no route\033[2J' >&2; exit 3`), nil)
	if err == nil || !strings.Contains(err.Error(), `exit status 3: no route\x1B[2J`) {
		t.Errorf("error: %v", err)
	}
}

// A hook that does not end is killed, and so is what it started.
func TestAHookThatDoesNotEndIsKilled(t *testing.T) {
	pids := filepath.Join(t.TempDir(), "pid")
	hook := script(t, "sleep 1000 & echo $! >"+pids+".tmp; mv "+pids+".tmp "+pids+"; wait")
	ctx, cancel := context.WithCancel(context.Background())
	ended := make(chan error, 1)
	go func() { ended <- runProgram(ctx, nil, time.Hour, hook) }()
	child := 0
	peertest.Until(t, "it has a child", func() bool {
		fmt.Sscan(text(t, pids), &child)
		return child != 0
	})
	cancel()
	if err := <-ended; err == nil {
		t.Error("it ended in order")
	}
	peertest.Until(t, "its child has ended", func() bool { return peertest.HasEnded(child) })
	if err := runProgram(context.Background(), nil, 10*time.Millisecond, script(t, "sleep 1000")); err == nil || !strings.Contains(err.Error(), "was killed") {
		t.Errorf("error: %v", err)
	}
}

// What somebody else could have put there is no hook.
func TestWhatIsNoHook(t *testing.T) {
	ran := filepath.Join(t.TempDir(), "ran")
	path := script(t, "touch "+ran)
	if err := os.Chmod(path, 0o722); err != nil {
		t.Fatal(err)
	}
	if err := RunHook(context.Background(), path, nil); err == nil || !strings.Contains(err.Error(), "may be written by others") {
		t.Errorf("error: %v", err)
	}
	if _, err := os.Stat(ran); err == nil {
		t.Error("it was started")
	}
}

// The mailer gets one letter, to one address, whose head is what we made it.
func TestAMailIsOneLetter(t *testing.T) {
	out := filepath.Join(t.TempDir(), "out")
	mailer := script(t, `{ echo "$@"; cat; } >`+out)
	if err := mailBy(context.Background(), mailer, "root@example.com", "impaired\nBcc: all@example.com", "line\n.\n\x1b[2J"); err != nil {
		t.Fatal(err)
	}
	want := "-i -- root@example.com\nTo: root@example.com\nSubject: impaired\\x0ABcc: all@example.com\nMIME-Version: 1.0\nContent-Type: text/plain; charset=utf-8\nContent-Transfer-Encoding: 8bit\nAuto-Submitted: auto-generated\n\nline\n.\n\\x1B[2J\n"
	if got := text(t, out); got != want {
		t.Errorf("%q", got)
	}
	for _, to := range []string{"", "-bs", "a b", "a@b@c", "root@", "@host", "a\nb", "a;b"} {
		if CheckAddress(to) == nil {
			t.Errorf("%q was taken for an address", to)
		}
	}
}
