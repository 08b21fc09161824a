package tunnel

import (
	"bufio"
	"crypto"
	"crypto/ecdsa"
	"crypto/ed25519"
	"crypto/elliptic"
	"crypto/fips140"
	"crypto/rand"
	"crypto/rsa"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"auditbridge/internal/peertest"

	"golang.org/x/crypto/ssh"
)

// profiles are the lists of docs/common-criteria.md.
var profiles = map[string]Algorithms{"ndcpp22e": NDcPP22e, "ssh-1.0": SSHPackage10, "ssh-2.0": SSHPackage20}

// The SSH rows of the matrix in docs/common-criteria.md, each against a server that
// offers one thing too many, or too little.
func TestSSHAsCommonCriteriaDemand(t *testing.T) {
	t.Run("T-SSH-KEXINIT", func(t *testing.T) {
		for name, p := range profiles {
			t.Run(name, func(t *testing.T) { offersExactly(t, p) })
		}
		if !fips140.Enabled() {
			underFIPS(t, "^TestSSHAsCommonCriteriaDemand$/^T-SSH-KEXINIT$")
		}
	})
	t.Run("T-SSH-NEG", negativeRows)
	t.Run("T-SSH-HOSTDB", hostDatabaseRows)
	t.Run("T-SSH-RSA", shortKeys)
	t.Run("T-SSH-MAXPKT", packetSizes)
	t.Run("T-SSH-REKEY", rekeyRows)
	t.Run("T-SSH-STRICTKEX", strictRows)
}

// underFIPS runs tests once more where the FIPS 140-3 module is in force, by itself and
// with nothing else allowed: both are a process's properties.
func underFIPS(t *testing.T, tests string) {
	for _, mode := range []string{"on", "only"} {
		t.Run("fips140="+mode, func(t *testing.T) {
			t.Parallel()
			cmd := exec.Command(os.Args[0], "-test.v", "-test.run="+tests)
			cmd.Env = append(os.Environ(), "GODEBUG=fips140="+mode)
			if out, err := cmd.CombinedOutput(); err != nil || !strings.Contains(string(out), "--- PASS: ") {
				t.Errorf("%v\n%s", err, out)
			}
		})
	}
}

// signer makes a private key that signs with the algorithm.
func signer(t testing.TB, algorithm string, bits int) ssh.Signer {
	t.Helper()
	var key crypto.Signer
	var err error
	switch algorithm {
	case ssh.KeyAlgoED25519:
		_, key, err = ed25519.GenerateKey(nil)
	case ssh.KeyAlgoECDSA256:
		key, err = ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	case ssh.KeyAlgoECDSA384:
		key, err = ecdsa.GenerateKey(elliptic.P384(), rand.Reader)
	case ssh.KeyAlgoECDSA521:
		key, err = ecdsa.GenerateKey(elliptic.P521(), rand.Reader)
	default:
		key, err = rsa.GenerateKey(rand.Reader, bits)
	}
	if err != nil {
		t.Fatal(err)
	}
	s, err := ssh.NewSignerFromKey(key)
	if err != nil {
		t.Fatal(err)
	}
	if s.PublicKey().Type() == ssh.KeyAlgoRSA {
		if s, err = ssh.NewSignerWithAlgorithms(s.(ssh.AlgorithmSigner), []string{algorithm}); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

// peer is an SSH server of our own, which takes any user.
type peer struct {
	host  ssh.Signer
	ssh   ssh.Config
	serve func(*ssh.ServerConn, <-chan ssh.NewChannel) // after the handshake

	port     int
	attempts atomic.Int32 // to log in
}

// start returns the configuration that reaches p with the key identity.
func (p *peer) start(t *testing.T, identity string, allowed Algorithms) Config {
	t.Helper()
	server := &ssh.ServerConfig{Config: p.ssh, PublicKeyCallback: func(ssh.ConnMetadata, ssh.PublicKey) (*ssh.Permissions, error) { return nil, nil },
		AuthLogCallback: func(ssh.ConnMetadata, string, error) { p.attempts.Add(1) }}
	server.AddHostKey(p.host)
	p.port = peertest.PortOf(peertest.Listen(t, func(raw net.Conn) {
		conn, channels, requests, err := ssh.NewServerConn(raw, server)
		if err != nil {
			raw.Close()
			return
		}
		go ssh.DiscardRequests(requests)
		if p.serve != nil {
			p.serve(conn, channels)
			return
		}
		for c := range channels {
			c.Reject(ssh.ConnectionFailed, "nothing here")
		}
	}))
	return configOf(t, p.port, identity, allowed, p.host.PublicKey())
}

// configOf is the configuration for a server at port with these host keys.
func configOf(t *testing.T, port int, identity string, allowed Algorithms, hosts ...ssh.PublicKey) Config {
	t.Helper()
	dir, known := t.TempDir(), ""
	for _, h := range hosts {
		known += fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(h))
	}
	if err := os.WriteFile(filepath.Join(dir, "known_hosts"), []byte(known), 0o600); err != nil {
		t.Fatal(err)
	}
	if identity == "" {
		identity = filepath.Join(dir, "id")
		peertest.Keygen(t, identity, "ecdsa", "-b", "384")
	}
	return Config{Name: "siem-tunnel", ServerAddress: "127.0.0.1", ServerPort: port, RemoteHost: "127.0.0.1", RemotePort: 9, User: "audit",
		IdentityFile: identity, KnownHosts: filepath.Join(dir, "known_hosts"), Algorithms: allowed,
		ConnectTimeout: peertest.Patience, HandshakeTimeout: peertest.Patience, KeepaliveInterval: 20 * time.Second, KeepaliveTimeout: peertest.Patience}
}

// anRSAKey stands in known hosts wherever one of its kind is enough: to make one takes a
// while.
var anRSAKey = sync.OnceValue(func() ssh.PublicKey {
	key, err := rsa.GenerateKey(rand.Reader, 3072)
	if err != nil {
		panic(err)
	}
	public, err := ssh.NewPublicKey(key.Public())
	if err != nil {
		panic(err)
	}
	return public
})

// offersExactly compares the name-lists of our first KEXINIT (RFC 4253 section 7.1)
// with a profile's.
func offersExactly(t *testing.T, p Algorithms) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close()
	var hosts []ssh.PublicKey
	for _, a := range p.Signatures {
		if strings.HasPrefix(a, "rsa-") {
			hosts = append(hosts, anRSAKey())
		} else {
			hosts = append(hosts, signer(t, a, 0).PublicKey())
		}
	}
	go func() {
		tun, err := New(configOf(t, l.Addr().(*net.TCPAddr).Port, "", p, hosts...), slog.New(slog.DiscardHandler))
		if err == nil {
			tun.Dial(t.Context())
			tun.Close()
		}
	}()
	conn, err := l.Accept()
	if err != nil {
		t.Fatal(err)
	}
	defer conn.Close()
	io.WriteString(conn, "SSH-2.0-wiretap\r\n")
	lists := readKexInit(t, bufio.NewReader(conn))
	want := [][]string{
		append(slices.Clone(p.KeyExchanges), "ext-info-c", "kex-strict-c-v00@openssh.com"), // both are signals, no algorithms
		p.Signatures, p.Ciphers, p.Ciphers, p.MACs, p.MACs, {"none"}, {"none"}, nil, nil,
	}
	for i := range want {
		if got := strings.Join(lists[i], ","); got != strings.Join(want[i], ",") {
			t.Errorf("name-list %d is %q, want %q", i, got, strings.Join(want[i], ","))
		}
	}
}

func readKexInit(t *testing.T, r *bufio.Reader) (lists [][]string) {
	t.Helper()
	if line, err := r.ReadString('\n'); err != nil || !strings.HasPrefix(line, "SSH-2.0-auditbridge") {
		t.Fatalf("version line %q, %v", line, err)
	}
	head := make([]byte, 5)
	if _, err := io.ReadFull(r, head); err != nil {
		t.Fatal(err)
	}
	packet := make([]byte, binary.BigEndian.Uint32(head)-1)
	if _, err := io.ReadFull(r, packet); err != nil {
		t.Fatal(err)
	}
	if packet[0] != 20 {
		t.Fatalf("message %d, want KEXINIT", packet[0])
	}
	for rest := packet[17:]; len(lists) < 10; {
		n := binary.BigEndian.Uint32(rest)
		var list []string
		if n > 0 {
			list = strings.Split(string(rest[4:4+n]), ",")
		}
		lists, rest = append(lists, list), rest[4+n:]
	}
	return lists
}

// negativeRows: a server that offers one forbidden algorithm in one place. Nobody
// logs in to it.
func negativeRows(t *testing.T) {
	type row struct {
		place, only string
		for_        []string // profiles; none is all
	}
	for _, r := range []row{
		{"cipher", ssh.InsecureCipherAES128CBC, nil},
		{"cipher", ssh.CipherAES192CTR, nil},
		{"cipher", ssh.CipherChaCha20Poly1305, nil},
		{"cipher", ssh.CipherAES128GCM, []string{"ssh-2.0"}},
		{"cipher", ssh.CipherAES256CTR, []string{"ssh-2.0"}},
		{"mac", ssh.HMACSHA1, []string{"ndcpp22e", "ssh-1.0"}},
		{"mac", ssh.InsecureHMACSHA196, []string{"ndcpp22e", "ssh-1.0"}},
		{"mac", ssh.HMACSHA256ETM, []string{"ndcpp22e", "ssh-1.0"}},
		{"kex", ssh.InsecureKeyExchangeDH1SHA1, nil},
		{"kex", ssh.InsecureKeyExchangeDH14SHA1, nil},
		{"kex", ssh.KeyExchangeMLKEM768X25519, nil},
		{"kex", ssh.KeyExchangeCurve25519, nil},
		{"kex", ssh.KeyExchangeECDHP256, []string{"ssh-2.0"}},
		{"hostkey", ssh.KeyAlgoED25519, []string{"ndcpp22e", "ssh-2.0"}},
		{"hostkey", ssh.KeyAlgoECDSA256, []string{"ssh-2.0"}},
		{"hostkey", ssh.KeyAlgoRSASHA256, []string{"ssh-2.0"}},
		{"hostkey", ssh.KeyAlgoRSA, nil}, // signs with SHA-1
	} {
		for name, allowed := range profiles {
			if len(r.for_) > 0 && !slices.Contains(r.for_, name) {
				continue
			}
			t.Run(r.place+" "+r.only+" "+name, func(t *testing.T) {
				p := peer{host: signer(t, ssh.KeyAlgoECDSA384, 0)}
				switch r.place {
				case "cipher":
					p.ssh.Ciphers = []string{r.only}
				case "mac": // a cipher that authenticates by itself would hide it
					p.ssh.Ciphers, p.ssh.MACs = []string{ssh.CipherAES256CTR}, []string{r.only}
				case "kex":
					p.ssh.KeyExchanges = []string{r.only}
				case "hostkey":
					p.host = signer(t, r.only, 3072)
				}
				cfg := p.start(t, "", allowed)
				_, err := open(t, cfg).Dial(t.Context())
				var none *AlgorithmError
				var kind *HostKeyError
				if !errors.As(err, &none) && !(errors.As(err, &kind) && kind.Problem == HostKeyRefused) {
					t.Errorf("got %v, want that they have nothing in common", err)
				}
				if p.attempts.Load() > 0 {
					t.Error("somebody tried to log in")
				}
			})
		}
	}
	t.Run("user", func(t *testing.T) { // the server lets our key in nowhere
		s := peertest.StartSSHD(t)
		cfg := through(s, 9)
		cfg.IdentityFile = strings.TrimSuffix(otherKey(t), ".pub")
		var refused *AuthError
		if _, err := open(t, cfg).Dial(t.Context()); !errors.As(err, &refused) {
			t.Errorf("got %v", err)
		}
	})
}

// hostDatabaseRows: a server whose key is not what the known-hosts file has learns
// nothing, not even who we are.
func hostDatabaseRows(t *testing.T) {
	key, other := signer(t, ssh.KeyAlgoECDSA384, 0), signer(t, ssh.KeyAlgoECDSA384, 0)
	for _, row := range []struct {
		name  string
		lines func(port int) string
		want  HostKeyProblem
	}{
		{"absent", func(int) string { return "" }, HostKeyUnknown},
		{"another host's", func(int) string { return "siem.example " + string(ssh.MarshalAuthorizedKey(key.PublicKey())) }, HostKeyUnknown},
		{"wrong", func(port int) string {
			return fmt.Sprintf("[127.0.0.1]:%d %s", port, ssh.MarshalAuthorizedKey(other.PublicKey()))
		}, HostKeyChanged},
		{"revoked", func(port int) string {
			line := string(ssh.MarshalAuthorizedKey(key.PublicKey()))
			return fmt.Sprintf("[127.0.0.1]:%d %s@revoked * %s", port, line, line)
		}, HostKeyRevoked},
	} {
		t.Run(row.name, func(t *testing.T) {
			p := peer{host: key}
			cfg := p.start(t, "", SSHPackage10)
			if err := os.WriteFile(cfg.KnownHosts, []byte(row.lines(p.port)), 0o600); err != nil {
				t.Fatal(err)
			}
			_, err := open(t, cfg).Dial(t.Context())
			var refused *HostKeyError
			if !errors.As(err, &refused) || refused.Problem != row.want {
				t.Errorf("got %v, want %q", err, row.want)
			}
			if p.attempts.Load() > 0 {
				t.Error("somebody tried to log in")
			}
		})
	}
}

// shortKeys: RSA keys that a profile calls too short, the server's and ours.
func shortKeys(t *testing.T) {
	for _, row := range []struct {
		bits    int
		allowed Algorithms
	}{{1024, SSHPackage10}, {2047, SSHPackage10}, {3071, SSHPackage20}} {
		t.Run(fmt.Sprint(row.bits), func(t *testing.T) {
			p := peer{host: signer(t, ssh.KeyAlgoRSASHA512, row.bits)}
			_, err := open(t, p.start(t, "", row.allowed)).Dial(t.Context())
			var refused *HostKeyError
			if !errors.As(err, &refused) || refused.Problem != HostKeyWeak {
				t.Errorf("got %v, want that the host key is too short", err)
			}
			identity := filepath.Join(t.TempDir(), "id")
			peertest.Keygen(t, identity, "rsa", "-b", fmt.Sprint(row.bits))
			_, err = open(t, p.start(t, identity, row.allowed)).Dial(t.Context())
			if err == nil || !strings.Contains(err.Error(), "bits, fewer than") {
				t.Errorf("got %v, want that our key is too short", err)
			}
			if p.attempts.Load() > 0 {
				t.Error("somebody tried to log in")
			}
		})
	}
}

// packetSizes: a packet of exactly MaxPacket is taken, one that is longer ends the
// connection, and the reason is told.
func packetSizes(t *testing.T) {
	// Of a packet's length (RFC 4253 section 6), the padding and its length take five
	// bytes here, and a global request is a byte, two strings' lengths and a bool.
	const name = "ignore@example.com"
	fits := MaxPacket - 5 - (1 + 4 + len(name) + 1)
	for _, more := range []int{0, 1, 16} {
		t.Run(fmt.Sprintf("%+d", more), func(t *testing.T) {
			asked := make(chan bool, 1)
			p := peer{host: signer(t, ssh.KeyAlgoECDSA384, 0), serve: func(conn *ssh.ServerConn, channels <-chan ssh.NewChannel) {
				go func() {
					for c := range channels {
						if _, requests, err := c.Accept(); err == nil {
							go ssh.DiscardRequests(requests)
						}
					}
				}()
				conn.SendRequest(name, false, make([]byte, fits+more))
				_, _, err := conn.SendRequest("are-you-there@example.com", true, nil)
				asked <- err == nil
				conn.Wait()
			}}
			tun := open(t, p.start(t, "", SSHPackage20))
			conn, dialErr := tun.Dial(t.Context())
			if alive := <-asked; alive != (more == 0) {
				t.Fatalf("the connection lives on: %v", alive)
			}
			if more == 0 {
				return
			}
			err := dialErr
			if err == nil {
				_, err = conn.Read(make([]byte, 1))
			}
			if err == nil || !strings.Contains(err.Error(), "more than 262144 bytes") {
				t.Errorf("the reason is %v", err)
			}
		})
	}
}

// rekeyRows: it is we who agree on new keys, after a time and after so many bytes
// either way, though the server would never ask; and the stream goes on.
func rekeyRows(t *testing.T) {
	for _, row := range []struct {
		name string
		set  func(*Config)
		send func(t *testing.T, here, there net.Conn, done <-chan struct{})
	}{
		{"time, in place", func(c *Config) { c.RekeyInPlace, c.RekeyAge = true, time.Second },
			func(t *testing.T, here, there net.Conn, done <-chan struct{}) { <-done }},
		{"sent", func(c *Config) { c.RekeyBytes = 1 << 20 },
			func(t *testing.T, here, there net.Conn, done <-chan struct{}) { pump(here, there, done) }},
		{"received", func(c *Config) { c.RekeyBytes = 1 << 20 },
			func(t *testing.T, here, there net.Conn, done <-chan struct{}) { pump(there, here, done) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			port, accepted := listen(t)
			s := peertest.StartSSHD(t, "LogLevel DEBUG1")
			cfg := through(s, port)
			row.set(&cfg)
			here := dial(t, open(t, cfg))
			there := <-accepted
			done := make(chan struct{})
			go func() {
				defer close(done)
				peertest.Until(t, "new keys twice", func() bool { return strings.Count(s.Output(), "SSH2_MSG_KEXINIT received") >= 3 })
			}()
			row.send(t, here, there, done)
			<-done
			// The first exchange has no order; after it, who received before he sent was asked.
			_, later, _ := strings.Cut(s.Output(), "SSH2_MSG_NEWKEYS received")
			if sent, received := strings.Index(later, "SSH2_MSG_KEXINIT sent"), strings.Index(later, "SSH2_MSG_KEXINIT received"); received < 0 || sent >= 0 && sent < received {
				t.Error("it was the server that asked for new keys")
			}
			go there.Write([]byte("still there"))
			if text, err := io.ReadAll(io.LimitReader(skipZeros{here}, 11)); string(text) != "still there" {
				t.Errorf("read %q, %v", text, err)
			}
		})
	}
	t.Run("clamped", func(t *testing.T) {
		cfg := configOf(t, 22, "", Modern)
		cfg.RekeyAge, cfg.RekeyBytes = 2*time.Hour, 2<<30
		err := cfg.Validate()
		if err == nil || !strings.Contains(err.Error(), "rekey-age") || !strings.Contains(err.Error(), "rekey-bytes") {
			t.Errorf("two hours and 2 GiB: %v", err)
		}
	})
}

// pump moves zeros from one end to the other until done.
func pump(from, to net.Conn, done <-chan struct{}) {
	ended := make(chan struct{})
	go func() {
		defer close(ended)
		for block := make([]byte, 32<<10); ; {
			select {
			case <-done:
				return
			default:
				if _, err := from.Write(block); err != nil {
					return
				}
			}
		}
	}()
	copied := make(chan struct{})
	go func() {
		defer close(copied)
		io.Copy(io.Discard, to)
	}()
	<-ended
	to.SetReadDeadline(time.Now()) // ends the copying
	<-copied
	to.SetReadDeadline(time.Time{})
}

// skipZeros leaves out the zeros that pump has left behind.
type skipZeros struct{ r io.Reader }

func (s skipZeros) Read(p []byte) (int, error) {
	n, err := s.r.Read(p)
	kept := slices.DeleteFunc(slices.Clone(p[:n]), func(b byte) bool { return b == 0 })
	return copy(p, kept), err
}

// strictRows: servers with and without strict key exchange (OpenSSH's PROTOCOL,
// section 1.10) are both connected to.
func strictRows(t *testing.T) {
	t.Run("on", func(t *testing.T) {
		port, accepted := listen(t)
		dial(t, open(t, through(peertest.StartSSHD(t), port)))
		(<-accepted).Close()
	})
	t.Run("off", func(t *testing.T) {
		// x/crypto/ssh of before strict key exchange, in a module of its own.
		dir := t.TempDir()
		build := exec.Command("go", "build", "-o", filepath.Join(dir, "sshd"), ".")
		build.Dir, build.Env = "testdata/unstrict", append(os.Environ(), "GOFLAGS=-mod=mod", "GOWORK=off")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
		host := filepath.Join(dir, "host")
		peertest.Keygen(t, host, "ecdsa", "-b", "384")
		text, err := os.ReadFile(host + ".pub")
		if err != nil {
			t.Fatal(err)
		}
		public, _, _, _, err := ssh.ParseAuthorizedKey(text)
		if err != nil {
			t.Fatal(err)
		}
		server := exec.Command(filepath.Join(dir, "sshd"), host)
		out, err := server.StdoutPipe()
		if err != nil {
			t.Fatal(err)
		}
		if err := peertest.StartChild(server); err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { server.Process.Kill(); server.Wait() })
		var port int
		if _, err := fmt.Fscan(out, &port); err != nil {
			t.Fatal(err)
		}
		for name, p := range profiles {
			if _, err := open(t, configOf(t, port, "", p, public)).Dial(t.Context()); err != nil {
				t.Errorf("%s: %v", name, err)
			}
		}
	})
}
