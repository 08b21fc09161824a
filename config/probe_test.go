package config

import (
	"crypto/ed25519"
	"crypto/rand"
	"crypto/rsa"
	"encoding/pem"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/diskguard"

	"github.com/google/go-cmp/cmp"
	"golang.org/x/crypto/ssh"
)

// host is a directory with a configuration and the files it names. DIR stands
// for it in texts.
type host struct {
	t   *testing.T
	dir string
}

func (h *host) write(name, text string, mode os.FileMode) {
	h.t.Helper()
	path := filepath.Join(h.dir, name)
	if err := os.WriteFile(path, []byte(strings.ReplaceAll(text, "DIR", h.dir)), mode); err != nil {
		h.t.Fatal(err)
	}
	if err := os.Chmod(path, mode); err != nil {
		h.t.Fatal(err)
	}
}

// load returns what is wrong and what is unwise, a line each, hints included.
func (h *host) load(text string) (wrong, unwise []string) {
	h.write("auditbridge.toml", text, 0o600)
	c, err := Load(filepath.Join(h.dir, "auditbridge.toml"))
	list := func(all []Problem) (lines []string) {
		for _, p := range all {
			p.At = Position{}
			lines = append(lines, strings.ReplaceAll(p.Error()+" | "+p.Hint, h.dir, "DIR"))
		}
		return lines
	}
	problems, _ := err.(Problems)
	return list(problems), list(c.Warnings)
}

func privateKey(t *testing.T, key any, passphrase string) string {
	t.Helper()
	block, err := ssh.MarshalPrivateKey(key, "")
	if passphrase != "" {
		block, err = ssh.MarshalPrivateKeyWithPassphrase(key, "", []byte(passphrase))
	}
	if err != nil {
		t.Fatal(err)
	}
	return string(pem.EncodeToMemory(block))
}

// keys puts every kind of key file there is into h, all readable by their owner
// only but "open".
func keys(t *testing.T, h *host) {
	t.Helper()
	public, good, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	short, err := rsa.GenerateKey(rand.Reader, 1024)
	if err != nil {
		t.Fatal(err)
	}
	line, err := ssh.NewPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	authorized := string(ssh.MarshalAuthorizedKey(line))
	h.write("id", privateKey(t, good, ""), 0o600)
	h.write("open", privateKey(t, good, ""), 0o644)
	h.write("locked", privateKey(t, good, "secret"), 0o600)
	h.write("short", privateKey(t, short, ""), 0o600)
	h.write("id.pub", authorized, 0o644)
	h.write("text", "not really a key", 0o644)
	h.write("known_hosts", "10.0.0.1,[10.0.0.2]:2222 "+authorized, 0o644)
	h.write("broken_hosts", "10.0.0.1 what is this\n", 0o644)
	for _, name := range []string{"id", "open", "locked", "short", "other"} {
		if name == "other" {
			h.write("other", privateKey(t, good, ""), 0o600)
			err = os.Chown(filepath.Join(h.dir, name), 1, 1) // daemon
		} else {
			err = os.Chown(filepath.Join(h.dir, name), 65534, 65534) // nobody
		}
		if err != nil {
			t.Fatal(err)
		}
	}
}

const noKeyHere = "port-forwarding.identity-file: DIR/"

// What only this host can tell is told too, once, with a hint that mends it.
// These tests are root's: nobody else can change to ship-user.
func TestWhatTheHostSays(t *testing.T) {
	h := &host{t, t.TempDir()}
	for d := h.dir; d != os.TempDir() && d != "/"; d = filepath.Dir(d) {
		if err := os.Chmod(d, 0o755); err != nil {
			t.Fatal(err)
		}
	}
	keys(t, h)
	if err := os.Mkdir(filepath.Join(h.dir, "closed"), 0o700); err != nil {
		t.Fatal(err)
	}
	if err := os.Link(filepath.Join(h.dir, "id"), filepath.Join(h.dir, "closed/id")); err != nil {
		t.Fatal(err)
	}
	const to = "[[remote-logging-server]]\naddress = \"127.0.0.1\"\nport = 7\n[[port-forwarding]]\nlocal-port = 7\nremote-port = 8\n"
	const sshd = "server-address = \"10.0.0.1\"\n"
	const id, known = "identity-file = \"DIR/id\"\n", "known-hosts = \"DIR/known_hosts\"\n"
	const asNobody = "audit.max-size = \"16MiB\"\nship-user = \"nobody\"\n" + to + sshd
	const keygen = " | ssh-keygen -t ed25519 -N '' -f DIR/"
	for _, row := range []struct{ name, text, wrong, unwise string }{
		{"all is well", asNobody + id + known, "", ""},
		{"no such user", "audit.max-size = \"16MiB\"\nship-user = \"nobodu\"\n" + to + sshd + id + known,
			"ship-user: there is no user \"nobodu\" on this host | nearest user: \"nobody\"; or useradd --system --no-create-home --shell /usr/sbin/nologin nobodu", ""},
		{"the default user is not there yet", "audit.max-size = \"16MiB\"\n" + to + sshd + id + known,
			"ship-user: there is no user \"auditbridge\" on this host | useradd --system --no-create-home --shell /usr/sbin/nologin auditbridge", ""},
		{"another user's key", asNobody + "identity-file = \"DIR/other\"\n" + known,
			noKeyHere + "other: belongs to uid 1, neither root nor the running user | if the sender is to run as daemon, set ship-user = \"daemon\"; else chown nobody DIR/other", ""},
		{"no such group", "audit.max-size = \"16MiB\"\nlog-group = \"no-such-group\"\nship-user = \"nobody\"\n" + to + sshd + id + known,
			"log-group: there is no group \"no-such-group\" on this host | groupadd --system no-such-group", ""},
		{"no such interface", asNobody + id + known + "local-interface = \"none7\"",
			"port-forwarding \"127.0.0.1:7\": local-interface: no interface \"none7\" on this host | ", ""},
		{"missing parents of the journal can be made", "journal-dir = \"DIR/a/b/c\"\n" + asNobody + id + known, "", ""},

		{"a key that others may read", asNobody + "identity-file = \"DIR/open\"\n" + known,
			"port-forwarding.identity-file: the private key DIR/open may be read by others (mode 0644) | chmod 0600 DIR/open", ""},
		{"a public key", asNobody + "identity-file = \"DIR/id.pub\"\n" + known,
			noKeyHere + "id.pub: it is a public key; the private one is needed | name the private key's file, DIR/id by custom", ""},
		{"a passphrase", asNobody + "identity-file = \"DIR/locked\"\n" + known,
			noKeyHere + "locked: the key is protected by a passphrase, and nobody is there to type it | make a key of its own for auditbridge: ssh-keygen -t ed25519 -N '' -f DIR/locked", ""},
		{"a short RSA key", asNobody + "identity-file = \"DIR/short\"\n" + known, noKeyHere + "short: the RSA key has 1024 bits, fewer than 2048" + keygen + "short", ""},
		{"no key at all", asNobody + "identity-file = \"DIR/text\"\n" + known, noKeyHere + "text: it holds no private key that can be used" + keygen + "text", ""},
		{"a relative path", asNobody + "identity-file = \"id\"\n" + known, "port-forwarding.identity-file: \"id\" is not an absolute path | ", ""},
		{"relative directories", "journal-dir = \"journal\"\nstate-dir = \"journal\"\n" + asNobody + id + known,
			"journal-dir: \"journal\" is not an absolute path | \nstate-dir: \"journal\" is not an absolute path | ", ""},

		{"no key yet", asNobody + "identity-file = \"DIR/none\"\n" + known, "",
			noKeyHere + "none does not exist: nothing can be sent until it does" + keygen + "none"},
		{"a key in a directory that is closed to the sender", asNobody + "identity-file = \"DIR/closed/id\"\n" + known, "",
			"port-forwarding.identity-file: DIR/closed lets nobody but its owner in: the sender, which runs as nobody, cannot read DIR/closed/id | chown nobody DIR/closed"},
		{"an unknown server", asNobody + "server-port = 23\n" + id + known, "",
			"port-forwarding.known-hosts: DIR/known_hosts has no key for 10.0.0.1:23: nothing can be sent until it does | compare the fingerprint with the server's own (ssh-keygen -lf /etc/ssh/ssh_host_ed25519_key.pub there), then add the key to DIR/known_hosts"},
		{"known hosts that are none", asNobody + id + "known-hosts = \"DIR/broken_hosts\"\n",
			"port-forwarding.known-hosts: DIR/broken_hosts: a line is malformed | every line reads: HOST[,HOST…] TYPE KEY, as ssh-keyscan prints it", ""},
	} {
		wrong, unwise := h.load(row.text)
		if diff := cmp.Diff([]string{row.wrong, row.unwise}, []string{strings.Join(wrong, "\n"), strings.Join(unwise, "\n")}); diff != "" {
			t.Errorf("%s: wrong and unwise, -want +got\n%s", row.name, diff)
		}
	}
}

// In a directory of everybody's anybody could listen at that name before us.
func TestAnEntranceInADirectoryOfEverybodys(t *testing.T) {
	h := &host{t, t.TempDir()}
	for mode, want := range map[os.FileMode]bool{0o755: false, 0o777 | os.ModeSticky: true} {
		if err := os.Chmod(h.dir, mode); err != nil {
			t.Fatal(err)
		}
		wrong, _ := h.load("[[port-forwarding]]\nserver-address = \"10.0.0.1\"\nremote-port = 8\nlisten = true\nlisten-socket = \"DIR/s\"\n")
		if got := strings.Contains(strings.Join(wrong, "\n"), "port-forwarding.listen-socket: DIR is writable by others: whoever comes first could listen there | "); got != want {
			t.Errorf("mode %v: refused %v, want %v: %q", mode, got, want, wrong)
		}
	}
}

func TestAMaxSizeThatNeverFitsIsUnwise(t *testing.T) {
	h := &host{t, t.TempDir()}
	disk := diskguard.RoomAt(h.dir, 0).Disk >> 20
	for size, want := range map[Size]bool{Size(disk+1) << 20: true, Size(disk) << 20: false} {
		_, unwise := h.load("journal-dir = \"DIR/not/yet/there\"\naudit.max-size = \"" + size.String() + "\"\n")
		if got := strings.Contains(strings.Join(unwise, "\n"), "is more than the whole file system of DIR/not/yet/there"); got != want {
			t.Errorf("max-size %s on a disk of %d MiB: warned %v, want %v\n%s", size, disk, got, want, strings.Join(unwise, "\n"))
		}
	}
}
