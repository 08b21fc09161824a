package tunnel

import (
	"errors"
	"io"
	"log/slog"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/peertest"
)

// behind are two stock servers, and the configuration that reaches a loopback port
// through the second, and that through the first.
func behind(t *testing.T, remotePort int, jumpOptions ...string) (jump, far *peertest.SSHD, cfg Config) {
	t.Helper()
	jump, far = peertest.StartSSHD(t, jumpOptions...), peertest.StartSSHD(t)
	outer := through(jump, 0)
	outer.Name, outer.RemoteHost = "bastion", ""
	cfg = through(far, remotePort)
	cfg.Via = &outer
	return jump, far, cfg
}

func TestThroughAnotherTunnel(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	jump, far, cfg := behind(t, port)
	second := cfg
	second.Name = "second"
	tunnels, err := NewAll([]Config{cfg, *cfg.Via, second}, slog.New(slog.DiscardHandler))
	if err != nil {
		t.Fatal(err)
	}
	for _, name := range []string{"siem-tunnel", "second"} {
		t.Cleanup(func() { tunnels[name].Close() })
		conn := dial(t, tunnels[name])
		there := <-accepted
		go func() {
			io.Copy(there, there)
			there.Close()
		}()
		conn.Write([]byte("there and back"))
		conn.CloseWrite()
		if got, err := io.ReadAll(conn); err != nil || string(got) != "there and back" {
			t.Errorf("%s: read %q, %v", name, got, err)
		}
		peertest.Until(t, "the server is known to have taken all", func() bool { return conn.Reached() == 14 })
		if peer := conn.RemoteAddr().String(); !strings.Contains(peer, cfg.server()+" via "+cfg.Via.server()) {
			t.Errorf("the way is told as %q", peer)
		}
	}
	if at, there := logins(t, jump, 1), logins(t, far, 2); at != 1 || there != 2 {
		t.Errorf("%d logins at the first, %d at the second server; want one, shared, and two", at, there)
	}
	var steps []string
	if err := cfg.Try(t.Context(), nil, func(s Step) { steps = append(steps, s.Name) }); !errors.As(err, new(*ExcessError)) || steps[0] != "the way through bastion" {
		t.Errorf("tried %q: %v", steps, err)
	}
	if keys, err := cfg.ShownKeys(t.Context()); err != nil || len(keys) != 1 {
		t.Errorf("%d keys are shown through the other tunnel: %v", len(keys), err)
	}
}

// Whichever server is wrong, the error is about that one, and nobody logs in behind it.
func TestAnotherTunnelThatDoesNotHold(t *testing.T) {
	t.Parallel()
	closed := peertest.FreePort(t)
	for _, row := range []struct {
		name  string
		sshd  []string
		spoil func(jump, far *peertest.SSHD)
		want  any
		about func(Config) string
	}{
		{name: "it may not forward there", sshd: []string{"PermitOpen 127.0.0.1:1"}, want: new(*ProhibitedError), about: Config.server},
		{name: "its key is another", spoil: func(jump, _ *peertest.SSHD) { rewriteKnownHosts(t, jump, "", otherKey(t)) }, want: new(*HostKeyError),
			about: func(c Config) string { return c.Via.server() }},
		{name: "the key behind it is another", spoil: func(_, far *peertest.SSHD) { rewriteKnownHosts(t, far, "", otherKey(t)) }, want: new(*HostKeyError), about: Config.server},
		{name: "nobody listens behind it", spoil: func(_, far *peertest.SSHD) { far.Kill() }, want: new(*RemoteError), about: Config.server},
	} {
		t.Run(row.name, func(t *testing.T) {
			jump, far, cfg := behind(t, closed, row.sshd...)
			if row.spoil != nil {
				row.spoil(jump, far)
			}
			_, err := open(t, cfg).Dial(t.Context())
			if !errors.As(err, row.want) || !strings.Contains(err.Error(), row.about(cfg)) {
				t.Errorf("%v, want %T about %s", err, row.want, row.about(cfg))
			}
			if sawAuthentication(far.Output()) {
				t.Errorf("somebody logged in behind it:\n%s", far.Output())
			}
		})
	}
}

// What goes through a tunnel whose keys are old is made anew when that is.
func TestRenewalOfATunnelBelow(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	jump, far, cfg := behind(t, port)
	cfg.Via.RekeyAge = time.Second
	tun := open(t, cfg)
	renewed := tun.Renewal()
	first := dial(t, tun)
	(<-accepted).Close()
	select {
	case <-renewed:
	case <-time.After(peertest.Patience):
		t.Fatal("nothing was made anew")
	}
	dial(t, tun)
	(<-accepted).Close()
	first.Close()
	logins(t, jump, 2)
	logins(t, far, 2)
	peertest.Until(t, "the old connections are gone", func() bool {
		return strings.Contains(jump.Output(), "Connection closed by") && strings.Contains(far.Output(), "Connection closed by")
	})
}

// One known-hosts file may hold both.
func TestBothKeysInOneFile(t *testing.T) {
	t.Parallel()
	port, accepted := listen(t)
	jump, far, cfg := behind(t, port)
	both := filepath.Join(t.TempDir(), "known_hosts")
	os.WriteFile(both, []byte(peertest.KnownHostsLine(t, jump.Port, jump.HostKey)+peertest.KnownHostsLine(t, far.Port, far.HostKey)), 0o600)
	cfg.KnownHosts, cfg.Via.KnownHosts = both, both
	dial(t, open(t, cfg))
	(<-accepted).Close()
}
