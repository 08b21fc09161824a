package control

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

const (
	askVariable    = "AUDITBRIDGE_TEST_ASK"
	listenVariable = "AUDITBRIDGE_TEST_LISTEN"
)

func TestMain(m *testing.M) {
	if path := os.Getenv(askVariable); path != "" {
		var answer string
		fmt.Println(answer, Ask(context.Background(), path, "word", nil, &answer))
		os.Exit(0)
	}
	if path := os.Getenv(listenVariable); path != "" {
		if _, err := net.Listen("unix", path); err != nil {
			fmt.Fprintln(os.Stderr, err)
			os.Exit(1)
		}
		fmt.Println("listening")
		time.Sleep(time.Hour) // with nobody at work the runtime would end it for a deadlock
	}
	os.Exit(m.Run())
}

func serve(t *testing.T, handlers map[string]Handler, denied ...func(Peer, string)) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), SocketName)
	s, err := Listen(path, handlers, slog.New(slog.NewTextHandler(io.Discard, nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, s.Denied = range denied {
	}
	ctx, stop := context.WithCancel(context.Background())
	done := make(chan error)
	go func() { done <- s.Run(ctx) }()
	t.Cleanup(func() {
		stop()
		if err := <-done; err != nil {
			t.Error(err)
		}
	})
	return path
}

func word(_ context.Context, who Peer, args json.RawMessage) (any, error) {
	return fmt.Sprintf("to uid %d: %s", who.UID, args), nil
}

func TestAskAndAnswer(t *testing.T) {
	path := serve(t, map[string]Handler{
		"word": word,
		"fail": func(context.Context, Peer, json.RawMessage) (any, error) { return nil, errors.New("not today") },
	})
	for _, row := range []struct{ what, want, err string }{
		{"word", `to uid 0: {"n":1}`, ""},
		{"fail", "", "refused: not today"},
		{"other", "", `"other" cannot be asked`},
	} {
		var answer string
		err := Ask(t.Context(), path, row.what, map[string]int{"n": 1}, &answer)
		if answer != row.want || (err == nil) != (row.err == "") || err != nil && !strings.Contains(err.Error(), row.err) {
			t.Errorf("%s: %q, %v; want %q, %q", row.what, answer, err, row.want, row.err)
		}
	}
}

// The peer is refused for what the kernel says of it, even where the file's
// mode would let it in.
func TestAnotherUserIsRefused(t *testing.T) {
	denied := make(chan string, 1)
	path := serve(t, map[string]Handler{"word": word}, func(who Peer, what string) { denied <- fmt.Sprint(who.UID, " ", what) })
	for dir := filepath.Dir(path); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
		if err := os.Chmod(dir, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	if err := os.Chmod(path, 0o666); err != nil {
		t.Fatal(err)
	}
	self, err := os.Open("/proc/self/exe")
	if err != nil {
		t.Fatal(err)
	}
	defer self.Close()
	child := exec.Command("/proc/self/fd/3")
	child.ExtraFiles = []*os.File{self}
	child.Env = append(os.Environ(), askVariable+"="+path)
	child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	out, err := child.CombinedOutput()
	if err != nil || !strings.Contains(string(out), "refused: uid 65534 (nobody) may not ask") {
		t.Errorf("%v, %s", err, out)
	}
	if got := <-denied; got != "65534 word" {
		t.Errorf("told of %q", got)
	}
}

// Whoever put himself where run should be is not believed.
func TestNobodyElseIsAsked(t *testing.T) {
	for _, row := range []struct {
		name   string
		change func(t *testing.T, dir string)
		want   string
	}{
		{"a stranger's directory", func(t *testing.T, dir string) { must(t, os.Chown(dir, 4711, -1)) }, "belongs to uid 4711"},
		{"a directory open to all", func(t *testing.T, dir string) { must(t, os.Chmod(dir, 0o777)) }, "may be written by others (mode 0777)"},
		{"a stranger's process", func(t *testing.T, dir string) {
			must(t, os.Remove(filepath.Join(dir, SocketName)))
			must(t, os.Chown(dir, 65534, -1)) // while it listens
			child := exec.Command("/proc/self/exe")
			child.Env = append(os.Environ(), listenVariable+"="+filepath.Join(dir, SocketName))
			child.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
			said, err := child.StdoutPipe()
			must(t, err)
			must(t, peertest.StartChild(child))
			t.Cleanup(func() { child.Process.Kill(); child.Wait() })
			if _, err := said.Read(make([]byte, 1)); err != nil {
				t.Fatal("it does not listen:", err)
			}
			must(t, os.Chown(dir, 0, -1))
		}, "of uid 65534 (nobody) listens there"},
	} {
		path := serve(t, map[string]Handler{"word": word})
		for dir := filepath.Dir(path); dir != filepath.Clean(os.TempDir()) && dir != "/"; dir = filepath.Dir(dir) {
			must(t, os.Chmod(dir, 0o755))
		}
		row.change(t, filepath.Dir(path))
		var answer string
		err := Ask(t.Context(), path, "word", nil, &answer)
		if err == nil || !strings.Contains(err.Error(), row.want) || answer != "" {
			t.Errorf("%s: %q, %v; want %q", row.name, answer, err, row.want)
		}
	}
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func TestBadRequestsGetAnAnswer(t *testing.T) {
	path := serve(t, map[string]Handler{"word": word})
	for _, row := range []struct{ request, want string }{
		{"{}\n", `cannot be asked`},
		{"nonsense\n", "not understood"},
		{`{"ask":"word","more":1}` + "\n", "not understood"},
		{strings.Repeat("x", maxRequest+1), "longer than"},
	} {
		conn, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		conn.SetDeadline(time.Now().Add(2 * time.Minute))
		if _, err := io.WriteString(conn, row.request); err != nil {
			t.Fatal(err)
		}
		var r response
		if err := json.NewDecoder(conn).Decode(&r); err != nil || !strings.Contains(r.Error, row.want) {
			t.Errorf("%.20q: %+v, %v; want %q", row.request, r, err, row.want)
		}
		conn.Close()
	}
}

func TestWhoListens(t *testing.T) {
	log := slog.New(slog.NewTextHandler(io.Discard, nil))
	path := filepath.Join(t.TempDir(), SocketName)
	if err := Ask(t.Context(), path, "word", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Error("no socket:", err)
	}
	dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		t.Fatal(err)
	}
	dead.SetUnlinkOnClose(false)
	dead.Close()
	if err := Ask(t.Context(), path, "word", nil, nil); !errors.Is(err, ErrNotRunning) {
		t.Error("a dead process's socket:", err)
	}
	s, err := Listen(path, nil, log)
	if err != nil {
		t.Fatal("in place of a dead process's socket:", err)
	}
	defer s.listener.Close()
	if _, err := Listen(path, nil, log); err == nil || !strings.Contains(err.Error(), "answers there already") {
		t.Error("a second one:", err)
	}
	if info, err := os.Stat(path); err != nil || info.Mode().Perm() != 0o600 {
		t.Error("mode:", info.Mode(), err)
	}
}

// A process that listens and does not answer, because it is stopped, is known all
// the same.
func TestWhoListensAndDoesNotAnswer(t *testing.T) {
	path := filepath.Join(t.TempDir(), SocketName)
	if _, err := Who(context.Background(), path); !errors.Is(err, ErrNotRunning) {
		t.Errorf("nobody: %v", err)
	}
	cmd := exec.Command("/proc/self/exe")
	cmd.Env = append(os.Environ(), listenVariable+"="+path)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := peertest.StartChild(cmd); err != nil {
		t.Fatal(err)
	}
	defer cmd.Wait()
	defer cmd.Process.Kill()
	if _, err := io.ReadFull(out, make([]byte, len("listening"))); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Process.Signal(syscall.SIGSTOP); err != nil {
		t.Fatal(err)
	}
	who, err := Who(context.Background(), path)
	if err != nil || who.PID != cmd.Process.Pid {
		t.Errorf("%+v, %v", who, err)
	}
}
