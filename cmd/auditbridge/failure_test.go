package main

import (
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"auditbridge/internal/peertest"
)

// TestAHostThatNobodyRecordsOnIsHalted: audit-failure-action = "halt", and run is not
// brought back in time: the watch, which is process 1 of a PID namespace here, says
// so on the console and ends it. In the next boot, with nothing changed, it does not.
// When run is there again, in whatever boot, what was decided in each is on record.
func TestAHostThatNobodyRecordsOnIsHalted(t *testing.T) {
	beside(t)
	source, _ := elsewhere(t)
	d := newDaemon(t, source+"audit-failure-action = \"halt\"\naudit-failure-wait = \"1s\"\nrescue-action = \"nologin\"\n")
	reboot := func() { must(t, os.RemoveAll(filepath.Join(d.dir, "run"))) }
	host := func(boot int) (console func() string, watch *exec.Cmd) {
		console = d.aHost(boot)
		watch = program("watch", "--config", d.config)
		d.as(watch)
		said := &lockedBuffer{}
		watch.Stdout, watch.Stderr = said, said
		t.Cleanup(func() {
			if t.Failed() {
				t.Logf("boot %d: %s", boot, said)
			}
		})
		must(t, peertest.StartChild(watch))
		return console, watch
	}
	console, watch := host(1)
	var ended *exec.ExitError
	if err := watch.Wait(); !errors.As(err, &ended) || ended.Sys().(syscall.WaitStatus).Signal() != syscall.SIGINT {
		t.Fatalf("the namespace ended with %v, not by its power-off", err)
	}
	if text := console(); !strings.Contains(text, "audit-failure: nobody has brought auditing back for 1s (run-absent); will power this host off") {
		t.Errorf("the console shows %q", text)
	}

	reboot()
	console, watch = host(2)
	peertest.Until(t, "it is withheld", func() bool { return strings.Contains(console(), "still-failing: ") })
	var text string
	peertest.Until(t, "only root may log in", func() bool {
		said, err := os.ReadFile(filepath.Join(d.dir, "run", "nologin"))
		text = string(said)
		return err == nil
	})
	if !strings.HasPrefix(text, "auditbridge: audit-failure: ") || !strings.Contains(text, "will let nobody but root log in") {
		t.Errorf("nologin says %q", text)
	}
	must(t, watch.Process.Kill())
	watch.Wait()

	reboot()
	d.as = nil
	d.start()
	w := newLookout(t, d)
	w.start()
	d.onRecord("op=failure-action ", " action=halt because=run-absent ", "will power this host off")
	d.onRecord("op=failure-action ", " action=nologin because=run-absent ", "still-failing: ")
	d.onRecord("op=banner-raised ", " because=run-absent ")
	peertest.Until(t, "what is on record is not kept any longer", func() bool {
		_, err := os.Stat(filepath.Join(d.dir, "state", "watch-entries"))
		return os.IsNotExist(err)
	})
	d.stop()
}
