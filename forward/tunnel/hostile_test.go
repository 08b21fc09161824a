package tunnel

import (
	"errors"
	"io"
	"os"
	"runtime"
	"strings"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/peertest"

	"golang.org/x/crypto/ssh"
)

// talkative is an SSH server with the right host key that takes any user and
// has much to say about every channel.
func talkative(t *testing.T, reason ssh.RejectionReason, words string) Config {
	t.Helper()
	p := peer{host: signer(t, ssh.KeyAlgoED25519, 0), serve: func(_ *ssh.ServerConn, channels <-chan ssh.NewChannel) {
		for c := range channels {
			c.Reject(reason, words)
		}
	}}
	return p.start(t, "", Modern)
}

// However much a server says, little of it is repeated, and none of it acts.
func TestWordsOfAHostileServer(t *testing.T) {
	for _, reason := range []ssh.RejectionReason{ssh.ConnectionFailed, ssh.Prohibited, ssh.ResourceShortage, 99} {
		for _, words := range []string{strings.Repeat("\x00", 20_000), strings.Repeat("\x1b[2J", 5000), strings.Repeat("\u202e", 5000)} {
			_, err := open(t, talkative(t, reason, words)).Dial(t.Context())
			if err == nil || len(err.Error()) > 2000 || strings.ContainsAny(err.Error(), "\x00\x1b\u202e") {
				t.Errorf("reason %d: %d bytes: %.100q", reason, len(err.Error()), err)
			}
		}
	}
	long := &told{errors.New("ssh: disconnect, reason 2: " + strings.Repeat("\x1b", 256<<10))}
	for _, err := range []error{long, &AlgorithmError{Server: "s", Err: errors.New(strings.Repeat("\n", 256<<10))}} {
		if text := err.Error(); len(text) > 2000 || strings.ContainsAny(text, "\x1b\n") {
			t.Errorf("%d bytes: %.100q", len(text), text)
		}
	}
}

// The hint is the line that lets this key do this and nothing else.
func TestHintForARefusedKey(t *testing.T) {
	s := peertest.StartSSHD(t)
	cfg := through(s, 6514)
	cfg.IdentityFile = strings.TrimSuffix(otherKey(t), ".pub")
	_, err := open(t, cfg).DialTo(t.Context(), "::1", 6514)
	var refused *AuthError
	if want := `authorized_keys: restrict,port-forwarding,permitopen="[::1]:6514",permitlisten="127.0.0.1:1" ssh-ed25519 AAAA`; !errors.As(err, &refused) || !strings.Contains(refused.Hint(), want) {
		t.Errorf("%v; want a hint with %q", err, want)
	}
}

// A server that lets us in and answers to no channel costs memory for so many of them,
// not for all that are tried; then there is another connection.
func TestAServerThatAnswersNoChannel(t *testing.T) {
	p := peer{host: signer(t, ssh.KeyAlgoED25519, 0)}
	var logins atomic.Int32
	p.serve = func(_ *ssh.ServerConn, channels <-chan ssh.NewChannel) {
		logins.Add(1)
		for range channels {
		}
	}
	cfg := p.start(t, "", Modern)
	cfg.ConnectTimeout = time.Millisecond
	tun := open(t, cfg)
	most := runtime.NumGoroutine() + 8*maxOwed
	for logins.Load() < 3 {
		if _, err := tun.Dial(t.Context()); err == nil {
			t.Fatal("a channel nobody opened")
		}
		if n := runtime.NumGoroutine(); n > most {
			t.Fatalf("%d goroutines", n)
		}
	}
}

// A stock sshd does not answer the end of a channel before whoever is behind it has
// taken all, or is gone. What it sends until then is not kept.
func TestWhatAServerOwes(t *testing.T) {
	port, accepted := listen(t)
	conn := dial(t, open(t, through(peertest.StartSSHD(t), port)))
	far := <-accepted // reads nothing
	go io.Copy(far, zeros{})
	conn.SetWriteDeadline(time.Now().Add(500 * time.Millisecond))
	for block := make([]byte, 1<<20); ; {
		if _, err := conn.Write(block); err != nil {
			break
		}
	}
	conn.Close()
	peertest.Until(t, "the end is owed", func() bool { return conn.session.owed.Load() == 1 })
	far.Close()
	peertest.Until(t, "nothing is owed", func() bool { return conn.session.owed.Load() == 0 })
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }

// A thousand connections, each broken in another way, leave nothing behind.
func TestConnectionsLeaveNothing(t *testing.T) {
	p := peer{host: signer(t, ssh.KeyAlgoED25519, 0)}
	p.serve = func(conn *ssh.ServerConn, channels <-chan ssh.NewChannel) {
		defer conn.Close()
		n := 0
		for c := range channels {
			channel, requests, err := c.Accept()
			if err != nil {
				return
			}
			go ssh.DiscardRequests(requests)
			switch n++; n % 4 {
			case 0:
				return
			case 1:
				channel.Close()
			case 2:
				channel.CloseWrite()
				go io.Copy(io.Discard, channel)
			case 3:
				channel.Stderr().Write(make([]byte, 100_000))
				io.CopyN(channel, zeros{}, 100_000)
				channel.Close()
			}
		}
	}
	tun := open(t, p.start(t, "", Modern))
	before, files := runtime.NumGoroutine(), openFiles(t)
	for range 1000 {
		conn, err := tun.Dial(t.Context())
		if err != nil {
			continue
		}
		conn.Write([]byte("x"))
		conn.Read(make([]byte, 10))
		conn.Close()
	}
	tun.Close()
	peertest.Until(t, "everything is gone", func() bool { return runtime.NumGoroutine() <= before && openFiles(t) <= files })
}

func openFiles(t *testing.T) int {
	t.Helper()
	all, err := os.ReadDir("/proc/self/fd")
	if err != nil {
		t.Fatal(err)
	}
	return len(all)
}
