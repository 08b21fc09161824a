package metrics

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

func example() *status.Status {
	return &status.Status{
		State: status.Degraded, Losing: status.LosingNo, Version: "v1", Recording: status.RecordingOK,
		Received: 100, Stored: 90, InRing: 10, KernelLost: 3, KernelLostAtMost: 5, Balanced: true, Ship: true,
		Disk:   status.Disk{Level: "ok", FreeBytes: 1 << 40, UsedBytes: 7},
		Kernel: &status.Kernel{Ours: true, Enabled: 1, BacklogLimit: 8192, Rules: -1},
		Destinations: []status.Destination{
			{Name: "siem", Connected: true, Delivered: 50, Excluded: 20, Pending: 10, Read: 80, Classes: map[string]uint64{"login": 3}},
			{Name: "a \"b\"\n\\c", Missed: 4},
		},
		Entrances: []status.Entrance{{Name: "siem-tunnel", Open: 2, Carried: 7}},
		Alarms:    []status.Alarm{{ID: "link-down", Object: "a"}, {ID: "link-down", Object: "b"}, {ID: "of-another-version"}},
	}
}

// Each scrape says what the status says at that moment.
func TestWhatAScrapeSays(t *testing.T) {
	s := example()
	for _, row := range []struct {
		name, want string
		change     func()
	}{
		{"auditbridge_received_records_total", "auditbridge_received_records_total 100", func() {}},
		{"auditbridge_received_records_total", "auditbridge_received_records_total 101", func() { s.Received++ }},
		{"auditbridge_state", "auditbridge_state{state=\"degraded\"} 1\nauditbridge_state{state=\"impaired\"} 0\nauditbridge_state{state=\"ok\"} 0", func() {}},
		{"auditbridge_kernel_rules", "auditbridge_kernel_rules -1", func() {}},
		{"auditbridge_kernel_rules_drift", "auditbridge_kernel_rules_drift 2", func() { s.RulesDrift = 2 }},
		{"auditbridge_kernel_rules", "", func() { s.Kernel = nil }},
		{"auditbridge_multicast_dropped_records_total", "", func() {}},
		{"auditbridge_multicast_dropped_records_total", "auditbridge_multicast_dropped_records_total 9", func() { s.Multicast = &status.Multicast{Dropped: 9} }},
		{"auditbridge_checkpoint_timestamp_seconds", "", func() {}},
		{"auditbridge_checkpoint_timestamp_seconds", "auditbridge_checkpoint_timestamp_seconds 1.7e+09", func() { s.Checkpoint.Time = time.Unix(1700000000, 0) }},
		{"auditbridge_destination_missed_records_total", "auditbridge_destination_missed_records_total{destination=\"a \\\"b\\\"\\n\\\\c\"} 4\nauditbridge_destination_missed_records_total{destination=\"siem\"} 0", func() {}},
		{"auditbridge_destination_certificate_expires_timestamp_seconds", "", func() {}},
		{"auditbridge_destination_certificate_expires_timestamp_seconds", "auditbridge_destination_certificate_expires_timestamp_seconds{destination=\"siem\"} 1.7e+09", func() { s.Destinations[0].Expiring = &status.Certificate{NotAfter: time.Unix(1700000000, 0)} }},
		{"auditbridge_destination_read_events_total", "auditbridge_destination_read_events_total{destination=\"siem\",class=\"login\"} 3", func() {}},
	} {
		row.change()
		i := slices.IndexFunc(table, func(m metric) bool { return m.name == row.name })
		want := ""
		if m := &table[i]; row.want != "" {
			want = "# HELP " + m.name + " " + m.help + "\n# TYPE " + m.name + " " + string(m.kind) + "\n" + row.want + "\n"
		}
		if got := string(table[i].appendTo(nil, s)); got != want {
			t.Errorf("-got +want\n-%s\n+%s", got, want)
		}
	}
	raised := map[string]float64{}
	alarms(s, func(n float64, id ...string) { raised[id[0]] = n })
	if raised["link-down"] != 2 || raised["of-another-version"] != 1 || len(raised) < 10 {
		t.Errorf("alarms: %v", raised)
	}
}

// Prometheus' own parser reads out of it what was put in, whatever names say.
func TestPrometheusReadsIt(t *testing.T) {
	s := example()
	s.Destinations[0].Name = "\\ \" \n \x00 \xff \u2028 {a=\"b\"} 7"
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(bytes.NewReader(appendAll(nil, s)))
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range table {
		want := map[string]float64{}
		m.read(s, func(value float64, labels ...string) {
			want[strings.ToValidUTF8(strings.Join(labels, "|"), "\uFFFD")] = value
		})
		got := map[string]float64{}
		for _, sample := range families[m.name].GetMetric() {
			var labels []string
			for _, name := range m.labels {
				for _, l := range sample.Label {
					if l.GetName() == name {
						labels = append(labels, l.GetValue())
					}
				}
			}
			got[strings.Join(labels, "|")] = sample.GetGauge().GetValue() + sample.GetCounter().GetValue()
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s: -put +read\n%s", m.name, diff)
		}
	}
}

// Only what no other host can reach is an address.
func TestAddresses(t *testing.T) {
	for _, row := range []struct{ text, network, why string }{
		{"", "", ""},
		{"unix:/run/auditbridge/metrics.sock", "unix", ""},
		{"127.0.0.1:9464", "tcp", ""},
		{"127.9.9.9:1", "tcp", ""},
		{"[::1]:9464", "tcp", ""},
		{"[::ffff:127.0.0.1]:9464", "tcp", ""},
		{"0.0.0.0:9464", "", "not the loopback interface's"},
		{"[::]:9464", "", "not the loopback interface's"},
		{"192.0.2.1:9464", "", "not the loopback interface's"},
		{"[fe80::1%eth0]:9464", "", "not the loopback interface's"},
		{":9464", "", "neither"},
		{"localhost:9464", "", "neither"},
		{"9464", "", "neither"},
		{"127.0.0.1:0", "", "port 0"},
		{"unix:metrics.sock", "", "no"},
		{"unix:@abstract", "", "not an absolute path"},
		{"unix:/" + strings.Repeat("x", 107), "", "at most 107 bytes"},
	} {
		a, err := ParseAddress(row.text)
		if a.Network != row.network || (err == nil) != (row.why == "") || err != nil && !strings.Contains(err.Error(), row.why) {
			t.Errorf("%q: %+v, %v", row.text, a, err)
		}
	}
}

// Root and the group may connect, in place of a process that died.
func TestUnixSocket(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.sock")
	for _, row := range []struct {
		group int
		mode  os.FileMode
	}{{-1, 0o600}, {4321, 0o660}} {
		dead, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
		if err != nil {
			t.Fatal(err)
		}
		dead.SetUnlinkOnClose(false)
		dead.Close()
		stop := run(t, Address{"unix", path}, row.group)
		peertest.Until(t, "the metrics are served", func() bool { _, err := get("unix", path); return err == nil })
		info, err := os.Stat(path)
		if err != nil {
			t.Fatal(err)
		}
		owner := info.Sys().(*syscall.Stat_t)
		if info.Mode().Perm() != row.mode || owner.Uid != 0 || row.group >= 0 && int(owner.Gid) != row.group {
			t.Errorf("mode %o, uid %d, gid %d, want mode %o of group %d", info.Mode().Perm(), owner.Uid, owner.Gid, row.mode, row.group)
		}
		stop()
		if _, err := os.Lstat(path); !os.IsNotExist(err) {
			t.Errorf("after the end: %v", err)
		}
	}
}

// A port that somebody has taken keeps nothing from running, and is had as soon
// as it is free.
func TestPortThatIsTaken(t *testing.T) {
	at := fmt.Sprint("127.0.0.1:", peertest.FreePort(t))
	squatter, err := net.Listen("tcp", at)
	if err != nil {
		t.Fatal(err)
	}
	said := &words{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	s := NewServer(Config{Address{"tcp", at}, -1, example, listenTCP, slog.New(slog.NewTextHandler(said, nil))})
	go func() { ended <- s.Run(ctx) }()
	peertest.Until(t, "it has said so", func() bool { return strings.Contains(said.String(), "address already in use") })
	squatter.Close()
	peertest.Until(t, "the metrics are served", func() bool {
		body, err := get("tcp", at)
		return err == nil && strings.Contains(body, "\nauditbridge_stored_records_total 90\n")
	})
	cancel()
	if err := <-ended; err != nil {
		t.Error(err)
	}
}

// Nobody but GET /metrics is answered, and no number of idle peers keeps others out.
func TestWhatIsNotAnswered(t *testing.T) {
	path := filepath.Join(t.TempDir(), "metrics.sock")
	defer run(t, Address{"unix", path}, -1)()
	peertest.Until(t, "the metrics are served", func() bool { _, err := get("unix", path); return err == nil })
	client := http.Client{Transport: over("unix", path)}
	for _, row := range []struct {
		method, path string
		want         int
	}{{"GET", "/metrics", 200}, {"HEAD", "/metrics", 200}, {"POST", "/metrics", 405}, {"GET", "/", 404}, {"GET", "/debug/pprof/", 404}} {
		r, err := http.NewRequestWithContext(t.Context(), row.method, "http://localhost"+row.path, nil)
		if err != nil {
			t.Fatal(err)
		}
		answer, err := client.Do(r)
		if err != nil {
			t.Fatal(err)
		}
		answer.Body.Close()
		if answer.StatusCode != row.want {
			t.Errorf("%s %s: %d, want %d", row.method, row.path, answer.StatusCode, row.want)
		}
	}
	for range 2 * maxConnections {
		idle, err := net.Dial("unix", path)
		if err != nil {
			t.Fatal(err)
		}
		defer idle.Close()
	}
	peertest.Until(t, "those that say nothing are thrown out", func() bool { _, err := get("unix", path); return err == nil })
}

func run(t *testing.T, at Address, group int) (stop func()) {
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error)
	s := NewServer(Config{at, group, example, listenTCP, slog.New(slog.DiscardHandler)})
	go func() { ended <- s.Run(ctx) }()
	return func() {
		cancel()
		if err := <-ended; err != nil {
			t.Error(err)
		}
	}
}

func over(network, place string) *http.Transport {
	return &http.Transport{DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, place)
	}, DisableKeepAlives: true}
}

func get(network, place string) (string, error) {
	client := http.Client{Transport: over(network, place)}
	answer, err := client.Get("http://localhost/metrics")
	if err != nil {
		return "", err
	}
	defer answer.Body.Close()
	body, err := io.ReadAll(answer.Body)
	return string(body), err
}

type words struct {
	mu   sync.Mutex
	text bytes.Buffer
}

func (w *words) Write(p []byte) (int, error) {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.Write(p)
}

func (w *words) String() string {
	w.mu.Lock()
	defer w.mu.Unlock()
	return w.text.String()
}

func listenTCP(address string) (net.Listener, error) { return net.Listen("tcp", address) }
