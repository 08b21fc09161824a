package main

import (
	"fmt"
	"regexp"
	"slices"
	"strings"
	"testing"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"
)

// twoServers is the sample with two servers of the users' documents, each statement as
// TOML, but for addresses: kern.notice by UDP to one, auth.info to the other.
const twoServers = `router = "target-router"
[[remote-logging-server]]
address = "127.0.0.1"
port = %d
protocol = "udp"
start = "oldest"
[[remote-logging-server.filter]]
facility = "kern"
severity = "notice"
[[remote-logging-server]]
address = "127.0.0.1"
port = %d
protocol = "udp"
start = "oldest"
[[remote-logging-server.filter]]
facility = "auth"
severity = "info"
`

// TestTwoServersOfTheDocuments: "a filter can be applied according to syslog standards",
// to each server apart: it gets its facility at its severity or a more urgent one, and
// what nobody can tell the facility of. Sessions and changed configurations are auth.
func TestTwoServersOfTheDocuments(t *testing.T) {
	t.Parallel()
	kern, auth := peertest.StartUDP(t), peertest.StartUDP(t)
	d := newDaemon(t, "")
	d.configure(fmt.Sprintf(twoServers, kern.Port, auth.Port) + fromStdin)
	d.start()
	d.feed(mixed + `type=SYSCALL msg=audit(1709742930.000:10): arch=c000003e syscall=62 success=no exit=-1 a0=1 a1=0 a2=0 a3=0 items=0 ppid=1 pid=2 auid=1000 uid=1000 gid=0 euid=0 suid=0 fsuid=0 egid=0 sgid=0 fsgid=0 tty=(none) ses=5 comm="kill" exe="/usr/bin/kill" key=(null)
type=EOE msg=audit(1709742930.000:10): 
`)
	d.until("both have got what was sent", func(s status.Status) bool {
		return s.Stored == 13 && !slices.ContainsFunc(s.Destinations, func(b status.Destination) bool { return !b.Connected || b.Pending > 0 })
	})
	d.stop()
	for name, row := range map[string]struct {
		far  *peertest.Rsyslog
		pri  string
		want string
	}{
		"kern.notice": {kern, "5", "10"},
		"auth.info":   {auth, "36 37 38", "1 2 3 6"},
	} {
		serial := regexp.MustCompile(`^<(\d+)>1 \S+ \S+target-router .* serial="(\d{1,2})"`)
		var got []string
		peertest.Until(t, name+" has all", func() bool {
			got = nil
			for _, m := range row.far.Received() {
				if f := serial.FindStringSubmatch(m); f != nil && !slices.Contains(strings.Fields(unknown), f[2]) {
					if !slices.Contains(strings.Fields(row.pri), f[1]) {
						t.Fatalf("%s got %s", name, m)
					}
					got = append(got, f[2])
				}
			}
			return len(got) >= len(strings.Fields(row.want))
		})
		if strings.Join(got, " ") != row.want {
			t.Errorf("%s got the events %q, want %q", name, got, row.want)
		}
	}
}
