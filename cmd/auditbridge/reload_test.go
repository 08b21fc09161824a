package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// onRecord waits for a record of our own that holds all of parts.
func (d *instance) onRecord(parts ...string) string {
	d.t.Helper()
	var found string
	peertest.Until(d.t, fmt.Sprintf("%q is on record", parts), func() bool {
		for _, line := range d.journalLines() {
			all := true
			for _, p := range parts {
				all = all && strings.Contains(line, p)
			}
			if all {
				found = line
				return true
			}
		}
		return false
	})
	return found
}

// TestReloadTakesOverAllOrNothing: a changed configuration is taken over key by
// key, on record with who asked; one that is wrong anywhere changes nothing, and
// that is on record, too.
func TestReloadTakesOverAllOrNothing(t *testing.T) {
	beside(t)
	t.Run("T-GEN-CONFIG", reloadsAllOrNothing)
}

func reloadsAllOrNothing(t *testing.T) {
	d := newDaemon(t, fromStdin+"retention = \"90d\"\n")
	d.unseeing()
	d.start()
	reload := func() (string, string, int) { return auditbridgeCommand(t, "reload", "--config", d.config) }
	if out, errs, code := reload(); code != 0 || out != "nothing has changed\n" {
		t.Errorf("without a change it exits %d and says %q %s", code, out, errs)
	}
	d.configure(fromStdin + "retention = \"30d\"\nmax-size = \"64MiB\"\n" + siem)
	out, errs, code := reload()
	if code != 0 {
		t.Fatalf("reload exits %d: %s", code, errs)
	}
	for _, want := range []string{`audit.retention: "90d" -> "30d"`, `audit.max-size: "10GiB" -> "64MiB"`, `remote-logging-server[siem].address: (none) -> "127.0.0.1"`} {
		if !strings.Contains(out, want) {
			t.Errorf("reload does not say %s:\n%s", want, out)
		}
	}
	d.onRecord("op=config ", fmt.Sprintf(" uid=%d ", os.Getuid()), " why=reload key=audit.retention old=90d new=30d ", " res=success")
	d.until("the new destination is known", func(s status.Status) bool { return len(s.Destinations) == 1 && s.Destinations[0].Name == "siem" })

	d.configure(fromStdin + "retention = \"20d\"\nmax-size = \"64MB\"\n")
	if _, errs, code := reload(); code != 2 || !strings.Contains(errs, "max-size") {
		t.Errorf("a wrong configuration exits %d: %s", code, errs)
	}
	d.configure("flush = \"data\"\n" + fromStdin)
	if _, errs, code := reload(); code != 1 || !strings.Contains(errs, "flush: \"group\" cannot become \"data\" while run runs") {
		t.Errorf("what takes a restart exits %d: %s", code, errs)
	}
	d.onRecord("op=config ", " why=reload reason=", " res=failed")
	if s, _ := d.status(); len(s.Destinations) != 1 {
		t.Errorf("a refused configuration changed something: %+v", s.Destinations)
	}
	d.stop()

	d.configure("flush = \"data\"\n" + fromStdin)
	d.start()
	d.onRecord("op=config ", " why=start key=flush old=group new=data ")
	d.onRecord("op=config ", " why=start key=remote-logging-server[siem].address old=127.0.0.1 new=? ")
	d.stop()
	if _, errs, code := reload(); code != 1 || !strings.Contains(errs, "not running") {
		t.Errorf("without run it exits %d: %s", code, errs)
	}
}

// TestChangedFilesAreTakenOver: nobody needs to say that the file or a drop-in
// has changed.
func TestChangedFilesAreTakenOver(t *testing.T) {
	beside(t)
	d := newDaemon(t, fromStdin)
	d.start()
	d.configure(fromStdin + "retention = \"31d\"\n")
	d.onRecord("op=config ", " why=files key=audit.retention old=180d new=31d ")
	dropIns := filepath.Join(filepath.Dir(d.config), "conf.d")
	must(t, os.Mkdir(dropIns, 0o755))
	must(t, os.WriteFile(filepath.Join(dropIns, "10-more.toml"), []byte("[audit]\nmax-size = \"99MiB\"\n"), 0o600))
	d.onRecord("op=config ", " why=files key=audit.max-size old=10GiB new=99MiB ")
	must(t, os.WriteFile(filepath.Join(dropIns, "10-more.toml"), []byte("[audit]\nmax-sice = \"99MiB\"\n"), 0o600))
	d.onRecord("op=config ", " why=files reason=", " res=failed")
	d.stop()
}

// TestSIGHUPReloads, and the record says who sent it, as the kernel tells of its
// audit daemon.
func TestSIGHUPReloads(t *testing.T) {
	t.Parallel()
	audittest.Kernel(t)
	d := newDaemon(t, "[audit]\nretention = \"90d\"\n")
	d.unseeing()
	d.start()
	must(t, os.WriteFile(d.config+".new", []byte(strings.Replace(read(t, d.config), "90d", "60d", 1)), 0o600))
	must(t, os.Rename(d.config+".new", d.config))
	must(t, d.cmd.Process.Signal(syscall.SIGHUP))
	d.onRecord("op=config ", fmt.Sprintf(" pid=%d ", os.Getpid()), " why=SIGHUP key=audit.retention old=90d new=60d ")
	d.stop()
}

func read(t *testing.T, path string) string {
	t.Helper()
	text, err := os.ReadFile(path)
	must(t, err)
	return string(text)
}
