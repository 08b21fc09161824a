package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"golang.org/x/sys/unix"
)

// TestBootOnAFullDisk: on a host that systemd runs, a full disk has systemd power it
// off. It boots again, finds the disk still full, and goes into rescue mode instead
// of down once more. Once there is room it boots and records as ever.
func TestBootOnAFullDisk(t *testing.T) {
	beside(t)
	t.Run("T-HALT-LOOP", bootOnAFullDisk)
}

func bootOnAFullDisk(t *testing.T) {
	results := filepath.Join(t.TempDir(), "results")
	disk := filepath.Join(results, "disk")
	must(t, os.MkdirAll(disk, 0o755))
	must(t, unix.Mount("none", disk, "tmpfs", 0, "mode=0755,size=96m"))
	t.Cleanup(func() { unix.Unmount(disk, unix.MNT_DETACH) })
	boots := 0
	boot := func(action, probe string) string {
		boots++ // the kernel does not boot, so each host is given an id of its own
		must(t, os.RemoveAll(filepath.Join(results, "said")))
		return bootOn(t, results, map[string]string{
			"srv/audit.log":                    "",
			"srv/more":                         numbered(1, 4000),
			"etc/auditbridge/auditbridge.toml": "journal-dir = \"/results/disk/journal\"\nstate-dir = \"/results/state\"\n[audit]\nsource = \"file:/srv/audit.log\"\ndisk-full-action = \"" + action + "\"\n",
			"srv/boot-id":                      fmt.Sprintf("00000000-0000-0000-0000-%012d\n", boots),
			"etc/systemd/system/auditbridge.service.d/boot.conf": "[Service]\nBindReadOnlyPaths=/srv/boot-id:/proc/sys/kernel/random/boot_id\n",
			"etc/systemd/system/booted.target":                   "[Unit]\nRequires=sysinit.target\nAfter=sysinit.target\nWants=auditbridge.service probe.service\n",
			"etc/systemd/system/probe.service":                   "[Unit]\nAfter=auditbridge.service\nIgnoreOnIsolate=yes\n[Service]\nType=oneshot\nExecStart=/bin/sh /srv/probe.sh\nStandardOutput=append:/results/said\nStandardError=append:/results/said\n",
			"srv/probe.sh": `
until_() {
	n=0
	until eval "$1"; do
		n=$((n + 1))
		[ $n -lt 600 ] || { echo "in vain: $1"; auditbridge status; systemctl list-jobs; systemctl poweroff --no-block; exit 1; }
		sleep 0.2
	done
	echo "holds: $1"
}
` + probe,
		})
	}
	onRecord := func() string {
		var all []string
		segments, err := filepath.Glob(filepath.Join(disk, "journal", "0*.log"))
		must(t, err)
		for _, s := range segments {
			all = append(all, lines(t, s)...)
		}
		return strings.Join(all, "\n")
	}

	said := boot("halt", "until_ 'auditbridge status | grep -q \"^disk: *ok\"'\ncat /dev/zero >/results/disk/ballast\ncat /srv/more >>/srv/audit.log\nuntil_ 'sleep 1000'\n")
	if text := onRecord(); !strings.Contains(text, "op=halt ") || strings.Contains(said, "in vain") {
		t.Fatalf("the host was not halted: %s", said)
	}
	said = boot("halt", "until_ '[ \"$(systemctl is-active rescue.target)\" = active ]'\nrm /results/disk/ballast\nsystemctl poweroff --no-block\n")
	if text := onRecord(); !strings.Contains(said, "holds: ") || !strings.Contains(text, "op=halt-withheld ") || strings.Count(text, "op=halt ") != 1 {
		t.Fatalf("the second boot: %s\n%s", said, text[max(0, len(text)-6000):])
	}
	said = boot("single", "until_ 'auditbridge status | grep -q \"^disk: *ok\"'\ncat /srv/more >>/srv/audit.log\nuntil_ 'auditbridge status | grep -q \"received 4000 = stored 4000 \"'\n"+
		"cat /dev/zero >/results/disk/ballast\ncat /srv/more >>/srv/audit.log\n"+
		"until_ '[ \"$(systemctl is-active rescue.target)\" = active ]'\nsystemctl poweroff --no-block\n")
	if text := onRecord(); !strings.Contains(said, "stored 4000") || strings.Contains(said, "in vain") || !strings.Contains(text, "op=single-user ") {
		t.Errorf("the third boot: %s", said)
	}
}
