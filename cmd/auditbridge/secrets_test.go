package main

import (
	"bytes"
	"crypto/ed25519"
	"crypto/x509"
	"encoding/base64"
	"encoding/hex"
	"encoding/pem"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"auditbridge/internal/peertest"

	"golang.org/x/crypto/ssh"
)

// TestKeysAreNowhereButInTheirFiles: what anybody may come by, or might be handed
// on one day, has neither the key that seals nor the one that opens the tunnel: the
// processes' arguments, environments and whatever else /proc tells of them, what
// they said, the journal, what they keep beside it, and the far end's copy. That
// the keys are in memory, which root can read, is how the test knows that it can
// find one.
func TestKeysAreNowhereButInTheirFiles(t *testing.T) {
	beside(t)
	far, collector := peertest.StartSSHD(t), peertest.StartRsyslog(t)
	d := newDaemon(t, "")
	d.configure(fromStdin + tunnelled(d, far, collector, "audit"))
	d.start()
	d.feed(mixed)
	d.untilDelivered()
	run := d.cmd.Process.Pid
	ship, helper := shipOf(t, run), roleOf(run, "deputy")

	sealKey, identity := filepath.Join(d.dir, "state", "seal.key"), filepath.Join(d.dir, "id")
	keys := map[string]formsOfKey{"the sealing key": sealingKey(t, sealKey), "the tunnel's key": tunnelKey(t, identity)}
	if !keys["the sealing key"].inMemory(t, run) {
		t.Error("the sealing key is not in run's memory: it is not looked for rightly")
	}
	if !keys["the tunnel's key"].inMemory(t, ship) {
		t.Error("the tunnel's key is not in ship's memory: it is not looked for rightly")
	}
	for name, key := range keys {
		if key.inMemory(t, helper) {
			t.Errorf("%s is in the deputy's memory", name)
		}
	}

	places := map[string][]byte{}
	for _, pid := range []int{run, ship, helper} {
		told := 0
		for path, text := range tells(t, fmt.Sprintf("/proc/%d", pid)) {
			places[path] = text
			told++
		}
		if told < 20 || len(places[fmt.Sprintf("/proc/%d/environ", pid)]) == 0 || len(places[fmt.Sprintf("/proc/%d/cmdline", pid)]) == 0 {
			t.Errorf("/proc tells only %d things of process %d", told, pid)
		}
	}
	text, _, _ := auditbridgeCommand(t, "status", "--config", d.config)
	json, _, _ := auditbridgeCommand(t, "status", "--json", "--config", d.config)
	checked, _, _ := auditbridgeCommand(t, "check", "-v", "--config", d.config)
	places["what the commands say"] = []byte(text + json + checked)
	d.stop()
	d.untilReceived(collector)
	places["what run and ship said"] = []byte(d.said.String())
	places["the far end's copy"], _ = os.ReadFile(collector.File)
	for path, text := range tells(t, d.dir) { // journal, ring, state, cursors
		if path != identity && path != sealKey {
			places[path] = text
		}
	}
	for where, text := range places {
		for name, key := range keys {
			if form := key.in(text); form != "" {
				t.Errorf("%s is in %s, as %s", name, where, form)
			}
		}
	}
}

// tells reads what files below dir say; of /proc not what is memory, or has its
// own test, nor what the kernel does not let anybody read.
func tells(t *testing.T, dir string) map[string][]byte {
	t.Helper()
	all := map[string][]byte{}
	must(t, filepath.WalkDir(dir, func(path string, e fs.DirEntry, err error) error {
		switch name := e.Name(); {
		case err != nil:
			return nil
		case e.IsDir() && (name == "task" || name == "net" || name == "fd" || name == "map_files" || name == "cwd" || name == "root"):
			return fs.SkipDir
		case !e.Type().IsRegular() || name == "mem" || name == "pagemap" || name == "clear_refs":
			return nil
		}
		if text, err := os.ReadFile(path); err == nil {
			all[path] = text
		}
		return nil
	}))
	return all
}

// formsOfKey are the ways in which its secret could be written.
type formsOfKey map[string][]byte

func (f formsOfKey) in(text []byte) (form string) {
	for form, key := range f {
		if bytes.Contains(text, key) {
			return form
		}
	}
	return ""
}

// inMemory looks through all that a process may write to.
func (f formsOfKey) inMemory(t *testing.T, pid int) bool {
	t.Helper()
	maps, err := os.ReadFile(fmt.Sprintf("/proc/%d/maps", pid))
	must(t, err)
	memory, err := os.Open(fmt.Sprintf("/proc/%d/mem", pid))
	must(t, err)
	defer memory.Close()
	for line := range strings.Lines(string(maps)) {
		var from, to int64
		var mode string
		if _, err := fmt.Sscanf(line, "%x-%x %s", &from, &to, &mode); err != nil || !strings.HasPrefix(mode, "rw") {
			continue
		}
		text := make([]byte, to-from)
		n, _ := memory.ReadAt(text, from) // the ring's file is shorter than its mapping may be
		if f.in(text[:n]) != "" {
			return true
		}
	}
	return false
}

func forms(seed []byte, file []byte) formsOfKey {
	f := formsOfKey{
		"bytes":                seed,
		"hexadecimal":          []byte(hex.EncodeToString(seed)),
		"base64":               []byte(base64.RawStdEncoding.EncodeToString(seed)[:40]),
		"base64 for addresses": []byte(base64.RawURLEncoding.EncodeToString(seed)[:40]),
	}
	if block, _ := pem.Decode(file); block != nil {
		text := base64.StdEncoding.EncodeToString(block.Bytes)
		f["its file's text"] = []byte(text[len(text)/2:][:20]) // behind what is public in it
	}
	return f
}

func sealingKey(t *testing.T, path string) formsOfKey {
	t.Helper()
	file, err := os.ReadFile(path)
	must(t, err)
	block, _ := pem.Decode(file)
	if block == nil {
		t.Fatalf("%s holds no PEM", path)
	}
	secret, err := x509.ParsePKCS8PrivateKey(block.Bytes)
	must(t, err)
	return forms(secret.(ed25519.PrivateKey).Seed(), file)
}

func tunnelKey(t *testing.T, path string) formsOfKey {
	t.Helper()
	file, err := os.ReadFile(path)
	must(t, err)
	secret, err := ssh.ParseRawPrivateKey(file)
	must(t, err)
	return forms(secret.(*ed25519.PrivateKey).Seed(), file)
}
