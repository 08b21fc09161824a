package tunnel

import (
	"errors"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"

	"golang.org/x/crypto/ssh"
)

// unasked is a server that wants of us whatever SSH has words for, and says on told
// what it was granted.
func unasked(t *testing.T, more int) (cfg Config, told chan string) {
	t.Helper()
	told = make(chan string, 100)
	p := &peer{host: signer(t, ssh.KeyAlgoED25519, 0)}
	p.serve = func(conn *ssh.ServerConn, channels <-chan ssh.NewChannel) {
		defer conn.Close()
		for _, kind := range []string{"session", "x11", "auth-agent@openssh.com", "forwarded-tcpip", "forwarded-streamlocal@openssh.com", "direct-tcpip", "tun@openssh.com", "\x1b[2J"} {
			channel, _, err := conn.OpenChannel(kind, ssh.Marshal(struct {
				Host string
				Port uint32
				From string
				Of   uint32
			}{"127.0.0.1", 22, "127.0.0.1", 22}))
			if err == nil {
				told <- "a channel " + kind
				channel.Close()
			}
		}
		for _, kind := range []string{"tcpip-forward", "streamlocal-forward@openssh.com", "no-more-sessions@openssh.com", "hostkeys-00@openssh.com", "keepalive@openssh.com"} {
			if granted, _, err := conn.SendRequest(kind, true, nil); granted || err != nil {
				told <- "a request " + kind
			}
		}
		for range more {
			if _, _, err := conn.OpenChannel("session", nil); errors.As(err, new(*ssh.OpenChannelError)) {
				continue
			}
			break
		}
		told <- "done"
		for c := range channels {
			c.Reject(ssh.ConnectionFailed, "nothing here")
		}
	}
	identity := filepath.Join(t.TempDir(), "id")
	peertest.Keygen(t, identity, "ed25519")
	return p.start(t, identity, Modern), told
}

// A server that opens channels towards us or asks for something gets nothing, and the
// first of it is told; what OpenSSH asks every client for is no news.
func TestAServerGetsNothingOfUs(t *testing.T) {
	t.Parallel()
	for _, row := range []struct {
		name  string
		more  int
		ended bool
	}{{"a few", 0, false}, {"without end", maxUnasked, true}} {
		t.Run(row.name, func(t *testing.T) {
			cfg, told := unasked(t, row.more)
			tun := open(t, cfg)
			warned := make(chan error, 100)
			tun.Warned = func(err error) { warned <- err }
			s, _, err := tun.connected(t.Context())
			if err != nil {
				t.Fatal(err)
			}
			select {
			case got := <-told:
				if got != "done" {
					t.Fatalf("it was granted %s", got)
				}
			case <-time.After(peertest.Patience):
				t.Fatal("the server is still at it")
			}
			first := <-warned
			if !errors.As(first, new(*UnaskedError)) || !strings.Contains(first.Error(), "a channel of type session") || len(warned) != 0 {
				t.Errorf("told %v, and %d more", first, len(warned))
			}
			if row.ended {
				<-s.done
				if !errors.As(s.err, new(*UnaskedError)) {
					t.Errorf("the connection ended for %v", s.err)
				}
			} else if isClosed(s.done) {
				t.Errorf("the connection ended for %v", s.err)
			}
		})
	}
}

// A stock OpenSSH asks for nothing that is worth a word.
func TestAnHonestServerIsNotWarnedOf(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	tun := open(t, through(peertest.StartSSHD(t), port))
	tun.Warned = func(err error) { t.Error(err) }
	conn := dial(t, tun)
	defer (<-accepted).Close()
	conn.Write([]byte("x"))
	peertest.Until(t, "the server has taken it", func() bool { return conn.Reached() == 1 })
}
