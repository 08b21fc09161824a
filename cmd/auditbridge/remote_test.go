package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// Servers are set, changed, tried, shown and removed by command, while run runs: each
// change is valid as a whole or not made, said, and on record.
func TestRemoteServersByCommand(t *testing.T) {
	far := peertest.StartRsyslog(t)
	d := newDaemon(t, fromStdin)
	d.unseeing()
	d.start()
	remote := func(args ...string) (string, string, int) {
		return auditbridgeCommand(t, append([]string{"remote", "--config", d.config}, args...)...)
	}
	well := func(says string, args ...string) string {
		t.Helper()
		out, errs, code := remote(args...)
		if code != 0 || !strings.Contains(out, says) {
			t.Fatalf("remote %q exits %d and says %q %q, want %q", args, code, out, errs, says)
		}
		return out + errs
	}
	dropIn := filepath.Join(d.dir, "conf.d", "remote-siem.toml")

	if _, errs, code := remote("set", "siem", "--no-encryption"); code != 2 || !strings.Contains(errs, "--server-name is needed") {
		t.Errorf("without an address it exits %d: %s", code, errs)
	}
	if _, errs, code := remote("set", "siem", "--server-name", "127.0.0.1", "--protocol", "smoke"); code == 0 || !strings.Contains(errs, `"smoke"`) {
		t.Errorf("a wrong protocol exits %d: %s", code, errs)
	}
	if _, err := os.Stat(dropIn); !os.IsNotExist(err) {
		t.Errorf("what is not valid was written: %v", err)
	}

	said := well("siem: changed\n", "set", "siem", "--server-name", "127.0.0.1", "--port", fmt.Sprint(far.Port), "--no-encryption", "--start", "oldest")
	if !strings.Contains(said, "clear text") {
		t.Errorf("nothing is said of clear text: %s", said)
	}
	d.onRecord("op=config ", fmt.Sprintf(" uid=%d ", os.Getuid()), " key=remote-logging-server[siem].protocol ", " new=tcp ", " res=success")
	d.until("the server is sent to", func(s status.Status) bool {
		return len(s.Destinations) == 1 && s.Destinations[0].Connected && s.Destinations[0].Promise == "at least once"
	})
	well("siem: unchanged\n", "set", "siem", "--server-name", "127.0.0.1")
	well("facility: \"\" -> \"local3\"", "set", "siem", "--facility", "local3")
	d.until("the change is taken over", func(s status.Status) bool { return len(s.Destinations) == 1 && s.Destinations[0].Connected })

	well("filter[0].severity: (none) -> \"info\"", "set", "siem", "--filter", "facility=auth severity=info", "--filter", "match=x y")
	d.onRecord("op=config ", fmt.Sprintf(" uid=%d ", os.Getuid()), " key=remote-logging-server[siem].filter[0].severity ", " old=? new=info ", " res=success")
	well("filter[1].match: \"x y\" -> (none)", "set", "siem", "filter=")
	d.onRecord("op=config ", fmt.Sprintf(" uid=%d ", os.Getuid()), " key=remote-logging-server[siem].filter[0].severity ", " old=info new=? ", " res=success")
	if out := well("siem: unchanged\n", "set", "siem", "format=rfc5424"); !strings.Contains(out, "written anew") {
		t.Errorf("what is in force from elsewhere is not its own now: %s", out)
	}

	var server map[string]any
	if err := json.Unmarshal([]byte(well("{", "get", "siem", "--json")), &server); err != nil || server["address"] != "127.0.0.1" || server["port"] != float64(far.Port) || server["facility"] != "local3" {
		t.Errorf("%v: %v", err, server)
	}
	said = well("ok      arrive", "test", "siem")
	mark := strings.TrimSpace(said[strings.Index(said, "mark is ")+len("mark is "):])
	peertest.Until(t, "the marked event has arrived", func() bool { return strings.Contains(strings.Join(far.Received(), "\n"), mark) })

	well("siem: changed\n", "set", "siem", "--unset", "facility")
	well("siem: changed\n", "remove", "siem")
	d.until("it is sent to no more", func(s status.Status) bool { return len(s.Destinations) == 0 })
	d.onRecord("op=cursor-removed ", "relay=siem")
	well("siem: unchanged\n", "remove", "siem")
	if _, errs, code := remote("test", "siem"); code != 1 || !strings.Contains(errs, `no remote-logging server "siem"`) {
		t.Errorf("test of what is not there exits %d: %s", code, errs)
	}
	d.stop()
}

// What people wrote is theirs; who may not change the configuration is refused.
func TestRemoteServersThatAreNotOurs(t *testing.T) {
	d := newDaemon(t, fromStdin+siem)
	d.start()
	for _, verb := range [][]string{{"set", "siem", "--port", "10"}, {"remove", "siem"}} {
		if _, errs, code := auditbridgeCommand(t, append([]string{"remote", "--config", d.config}, verb...)...); code != 1 || !strings.Contains(errs, "a person wrote") {
			t.Errorf("remote %q exits %d: %s", verb, code, errs)
		}
	}
	const lab = "[syslog]\nformat = \"cef\"\n\n[[remote-logging-server]]\nname = \"lab\"\naddress = \"127.0.0.1\"\nport = 9\nprotocol = \"tcp\"\n"
	dropIn := filepath.Join(d.dir, "conf.d", "remote-lab.toml")
	must(t, os.MkdirAll(filepath.Dir(dropIn), 0o755))
	must(t, os.WriteFile(dropIn, []byte(lab), 0o644))
	for _, verb := range [][]string{{"set", "lab", "--port", "10"}, {"remove", "lab"}} {
		if _, errs, code := auditbridgeCommand(t, append([]string{"remote", "--config", d.config}, verb...)...); code != 1 || !strings.Contains(errs, "a person wrote") {
			t.Errorf("remote %q exits %d: %s", verb, code, errs)
		}
	}
	if now, _ := os.ReadFile(dropIn); string(now) != lab {
		t.Errorf("what a person wrote is now\n%s", now)
	}
	must(t, os.Remove(dropIn))
	must(t, os.Chmod(d.config, 0o644))
	cmd := program("remote", "--config", d.config, "set", "other", "--server-name", "10.0.0.1", "--use-udp")
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: 65534, Gid: 65534}}
	if out, err := cmd.CombinedOutput(); err == nil || cmd.ProcessState.ExitCode() != 1 || !strings.Contains(string(out), "permission denied") {
		t.Errorf("as nobody it exits %d: %s", cmd.ProcessState.ExitCode(), out)
	}
	if s, _ := d.status(); len(s.Destinations) != 1 {
		t.Errorf("somebody without the right to has changed something: %+v", s.Destinations)
	}
	d.stop()
}

// Commands given at the same time lose nothing of each other's.
func TestRemoteServersSetAtTheSameTime(t *testing.T) {
	dir := t.TempDir()
	file := filepath.Join(dir, "auditbridge.toml")
	must(t, os.WriteFile(file, fmt.Appendf(nil, "journal-dir = %q\nstate-dir = %q\nrun-dir = %q\nship-user = \"nobody\"\n", dir+"/journal", dir+"/state", dir+"/run"), 0o600))
	set := func(pairs ...string) {
		args := append([]string{"remote", "set", "siem", "--config", file, "--server-name", "127.0.0.1", "--no-encryption"}, pairs...)
		if _, errs, code := auditbridgeCommand(t, args...); code != 0 {
			t.Errorf("remote set %q exits %d: %s", pairs, code, errs)
		}
	}
	set()
	given := map[string]string{"facility": "local3", "format": "rfc5424", "start": "oldest", "port": "6514", "framing": "lf", "severity": "info"}
	var all sync.WaitGroup
	for key, value := range given {
		all.Go(func() { set(key + "=" + value) })
	}
	all.Wait()
	text := read(t, filepath.Join(dir, "conf.d", "remote-siem.toml"))
	for key := range given {
		if !strings.Contains(text, key+" = ") {
			t.Errorf("%s is lost:\n%s", key, text)
		}
	}
}
