package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"auditbridge/config"
)

// keysOfServers are servers by command, each key of the configuration once or more.
var keysOfServers = map[string]map[string][]string{
	"central": {
		"address": {"log.example.org"}, "port": {"6515"}, "protocol": {"tls"}, "framing": {"lf"}, "format": {"cef"}, "start": {"oldest"}, "sd-id": {"128T@2636.1.0.0"},
		"facility": {"local3"}, "severity": {"notice"}, "include": {"login", "alarm"}, "filter": {"facility=kern severity=notice", "match=^<38>1 .*acct=.it's, centos"}, "catch-up-rate": {"2MiB"},
		"server-name": {"siem.example.org"}, "ca-file": {"/none/ca.pem"}, "crl-file": {"/none/crl.pem"}, "ocsp": {"require"}, "ocsp-responder": {"http://ocsp.example.org/"},
		"certificate-file": {"/none/client.pem"}, "key-file": {"/none/client.key"}, "min-version": {"1.2"}, "max-version": {"1.2"}, "skip-cn-check": {"true"}, "skip-certificate-check": {"true"},
	},
	"token": {"address": {"10.0.0.1"}, "protocol": {"https"}, "path": {"/audit"}, "body": {"splunk-hec"}, "compression": {"none"}, "token-file": {"/none/token"}, "pkcs12-file": {"/none/client.p12"}, "pkcs12-password-file": {"/none/word"}},
	"basic": {"address": {"10.0.0.2"}, "protocol": {"https"}, "user": {"audit"}, "password-file": {"/none/word"}, "certificate": {"client"}},
	"inner": {"address": {"10.0.0.3"}, "protocol": {"relp"}, "tls": {"true"}, "via": {"tunnel"}},
}

// TestEveryKeyOfAServerByCommand: each key that a server has is set by its flag and by
// KEY=VALUE; what get prints of it, read by a shell, changes nothing when it is set
// again; and KEY= takes it away. No run is there: the files are all there is to change.
func TestEveryKeyOfAServerByCommand(t *testing.T) {
	beside(t)
	tried := map[string]bool{"name": true}
	for name, keys := range keysOfServers {
		d := newDaemon(t, fromStdin+"[[port-forwarding]]\nname = \"tunnel\"\nserver-address = \"10.9.9.9\"\nremote-port = 1\n")
		well := func(says string, args ...string) string {
			t.Helper()
			out, errs, code := auditbridgeCommand(t, append([]string{"remote", "--config", d.config}, args...)...)
			if code != 0 || !strings.HasPrefix(out, says) {
				t.Fatalf("remote %q exits %d and says %q %q, want %q", args, code, out, errs, says)
			}
			return out
		}
		var flags, pairs, none []string
		for _, key := range slices.Sorted(maps.Keys(keys)) {
			tried[key] = true
			k, err := config.FindServerKey(key)
			must(t, err)
			for _, text := range keys[key] {
				flags, pairs = append(flags, "--"+k.Flag+"="+text), append(pairs, key+"="+text)
			}
			if key != "address" {
				none = append(none, key+"=")
			}
		}
		well(name+": changed\n", slices.Concat([]string{"set", name}, flags)...)
		dropIn := filepath.Join(d.dir, "conf.d", "remote-"+name+".toml")
		byFlags, err := os.ReadFile(dropIn)
		must(t, err)
		if out := well(name+": unchanged\n", slices.Concat([]string{"set", name}, pairs)...); strings.Count(out, "\n") != 1 {
			t.Errorf("%s: by pairs it is written anew: %s", name, out)
		}

		var shown map[string]any
		must(t, json.Unmarshal([]byte(well("{", "get", name, "--json")), &shown))
		for key, texts := range keys {
			if got := fmt.Sprint(shown[key]); len(texts) == 1 && key != "filter" && got != texts[0] && got != "["+texts[0]+"]" {
				t.Errorf("%s: %s is shown as %s, set as %q", name, key, got, texts)
			}
		}
		script := "set --"
		for line := range strings.Lines(well(name+"\n", "get", name)) {
			if word, is := strings.CutPrefix(line, "  "); is && !strings.Contains(line, " holds ") {
				at := strings.LastIndex(strings.TrimRight(word, "\n"), "  ") // behind it stands where it was set
				script += " " + strings.TrimSpace(word[:at])
			}
		}
		read, err := exec.Command("sh", "-c", script+`; printf '%s\n' "$@"`).Output()
		must(t, err)
		again := strings.Split(strings.TrimSuffix(string(read), "\n"), "\n")
		if len(again) < len(pairs) {
			t.Errorf("%s: get shows %q of %q", name, again, pairs)
		}
		well(name+": unchanged\n", slices.Concat([]string{"set", name}, again)...)
		must(t, os.WriteFile(dropIn, byFlags, 0o644))

		well(name+": changed\n", slices.Concat([]string{"set", name}, none)...)
		left, err := os.ReadFile(dropIn)
		must(t, err)
		if keys := strings.Count(string(left), " = "); keys != 2 {
			t.Errorf("%s: left is\n%s", name, left)
		}
		well(name+": changed\n", "remove", name)
		if _, err := os.Stat(dropIn); !os.IsNotExist(err) {
			t.Errorf("%s: after remove: %v", name, err)
		}
	}
	for _, k := range config.ServerKeys() {
		if !tried[k.Name] {
			t.Errorf("nothing here sets %s", k.Name)
		}
	}
}

// What cannot be meant is said before anything is written: exit code 2, and which key.
func TestKeysOfAServerThatAreNone(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	for _, row := range []struct {
		args []string
		says string
	}{
		{[]string{"facilty=auth"}, "nearest key: facility"},
		{[]string{"facility"}, "is not such as KEY=VALUE"},
		{[]string{"--unset", "colour"}, `there is no key "colour"`},
		{[]string{"--facility", "local0", "--unset", "facility"}, "it is given, too"},
		{[]string{"--port", "0"}, "port: \"0\" is not a port"},
		{[]string{"--port", "514", "port=515"}, "it has one value"},
		{[]string{"--filter", "level=info"}, `there is no "level"`},
		{[]string{"--no-encryption", "--protocol", "tls"}, "another flag means tcp"},
		{[]string{"--severity", "loud"}, `"loud" is no syslog severity`},
		{[]string{"--filter", "match=["}, "is no regular expression"},
		{[]string{"--min-version", "1.1"}, `"1.1" is none of: 1.2 1.3`},
	} {
		args := slices.Concat([]string{"remote", "--config", d.config, "set", "siem", "--server-name", "10.0.0.1"}, row.args)
		if _, errs, code := auditbridgeCommand(t, args...); code != 2 || !strings.Contains(errs, row.says) {
			t.Errorf("%q exits %d: %s", row.args, code, errs)
		}
	}
	if _, err := os.Stat(filepath.Join(d.dir, "conf.d")); !os.IsNotExist(err) {
		t.Errorf("something was written: %v", err)
	}
}

// A server may have any name but none: its drop-in is a file of conf.d whatever it is,
// and what is said of it is safe for a terminal.
func TestNamesOfServersByCommand(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	remote := func(args ...string) (string, string, int) {
		return auditbridgeCommand(t, append([]string{"remote", "--config", d.config}, args...)...)
	}
	if _, errs, code := remote("set", "", "--server-name", "10.0.0.1"); code != 2 || !strings.Contains(errs, "a server's name is needed") {
		t.Errorf("without a name it exits %d: %s", code, errs)
	}
	for name, shown := range map[string]string{"../../siem": "../../siem", "a b": "a b", "siem\x1b[2J": `siem\x1B[2J`, "client-certificate": "client-certificate"} {
		for _, verb := range [][]string{{"set", "--server-name", "10.0.0.1"}, {"remove"}} {
			out, errs, code := remote(append(verb, name)...)
			if code != 0 || !strings.HasPrefix(out, shown+": changed\n") {
				t.Errorf("%q of %q exits %d: %q %s", verb, name, code, out, errs)
			}
			files, err := os.ReadDir(filepath.Join(d.dir, "conf.d"))
			must(t, err)
			if set := verb[0] == "set"; set != (len(files) == 1) {
				t.Errorf("%q of %q leaves %v in conf.d", verb, name, files)
			}
		}
	}
}
