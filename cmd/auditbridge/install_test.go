package main

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"auditbridge/config"
)

// TestMakeInstallPutsTheProgramWhereTheUnitStartsIt, with a configuration that
// is sound and, once somebody has changed it, stays.
func TestMakeInstallPutsTheProgramWhereTheUnitStartsIt(t *testing.T) {
	beside(t)
	for _, prefix := range []string{"/usr/local", "/usr"} {
		root := t.TempDir()
		makes := func(target string) { makeTarget(t, target, root, "PREFIX="+prefix) }
		makes("install")
		unit, err := os.ReadFile(filepath.Join(root, "usr/lib/systemd/system/auditbridge.service"))
		must(t, err)
		started := regexp.MustCompile(`(?m)^ExecStart=(\S+) run$`).FindSubmatch(unit)
		if started == nil || string(started[1]) != prefix+"/sbin/auditbridge" {
			t.Fatalf("PREFIX=%s: the unit starts %q", prefix, started)
		}
		if info, err := os.Stat(filepath.Join(root, string(started[1]))); err != nil || info.Mode() != 0o755 {
			t.Errorf("PREFIX=%s: what the unit starts: %v, %v", prefix, info, err)
		}
		if _, err := os.Stat(filepath.Join(root, "usr/lib/sysusers.d/auditbridge.conf")); err != nil {
			t.Error(err)
		}
		plugin := filepath.Join(root, "etc/audit/plugins.d/auditbridge.conf")
		if text := read(t, plugin); !strings.Contains(text, "\nactive = no\n") || !strings.Contains(text, "\npath = "+prefix+"/sbin/auditbridge\n") {
			t.Errorf("PREFIX=%s: auditd's plugins.d gets\n%s", prefix, text)
		}
		if info, err := os.Stat(plugin); err != nil || info.Mode() != 0o640 {
			t.Errorf("PREFIX=%s: auditd's plugins.d gets %v, %v", prefix, info, err)
		}
		if prefix != "/usr" {
			continue
		}
		file := filepath.Join(root, "etc/auditbridge/auditbridge.toml")
		if _, err := config.Load(file); err != nil {
			t.Errorf("the configuration installed is not valid: %v", err)
		}
		must(t, os.WriteFile(file, []byte("node = \"mine\"\n"), 0o600))
		must(t, os.WriteFile(plugin, []byte("active = yes\n"), 0o640))
		makes("install")
		if text := read(t, plugin); text != "active = yes\n" {
			t.Errorf("a second installation made of the plugin's configuration %q", text)
		}
		if text, err := os.ReadFile(file); err != nil || string(text) != "node = \"mine\"\n" {
			t.Errorf("a second installation made of it %q, %v", text, err)
		}
		makes("uninstall")
		must(t, filepath.WalkDir(root, func(path string, e os.DirEntry, err error) error {
			if err == nil && !e.IsDir() && path != file {
				t.Errorf("uninstalling leaves %s", path)
			}
			return err
		}))
	}
}
