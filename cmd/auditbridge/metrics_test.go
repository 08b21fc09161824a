package main

import (
	"context"
	"encoding/json"
	"fmt"
	"maps"
	"net"
	"net/http"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"auditbridge/internal/audittest"
	"auditbridge/internal/peertest"
	"auditbridge/internal/status"

	"github.com/google/go-cmp/cmp"
	"github.com/prometheus/common/expfmt"
	"github.com/prometheus/common/model"
)

// TestMetricsAreTheStatus: over either kind of socket a scrape says what `status
// --json` says where docs/metrics.md has it, name by name; by default there is
// nothing to ask.
func TestMetricsAreTheStatus(t *testing.T) {
	t.Parallel()
	collector := peertest.StartRsyslog(t)
	t.Run("of lines, over the loopback interface", func(t *testing.T) {
		at := fmt.Sprint("127.0.0.1:", peertest.FreePort(t))
		sshd, far := peertest.StartSSHD(t), echo(t)
		d := newDaemon(t, "")
		d.configure("metrics.listen = \"" + at + "\"\n" + fromStdin + plain("siem", collector.Port, `include = ["login"]`) + plain("dead", 1) +
			d.forwarding("echo", sshd, peertest.PortOf(far), `listen = true`, `listen-socket = "echo.sock"`))
		d.start()
		d.until("it is connected", func(s status.Status) bool { return s.Destinations[0].Connected && entranceIn(s, "echo").Connected })
		if heard, complaint := guest(t, 0, "unix", filepath.Join(d.dir, "run", "echo.sock"), "x"); heard != "heard: x" {
			t.Errorf("heard %q: %s", heard, complaint)
		}
		d.until("it is in the books", func(s status.Status) bool { return entranceIn(s, "echo").Received == 8 })
		_, err := d.stdin.WriteString(mixed)
		must(t, err)
		d.scrapes(t, "tcp", at)
		got, err := scrape("tcp", at)
		must(t, err)
		for name, want := range map[string]float64{"received_records_total": 11, `destination_connected{dead}`: 0, `destination_connected{siem}`: 1, `entrance_connected{echo}`: 1,
			`entrance_carried_connections_total{echo}`: 1, `entrance_sent_bytes_total{echo}`: 1, `entrance_received_bytes_total{echo}`: 8, `alarms_raised{disk-full}`: 0} {
			if got["auditbridge_"+name] != want {
				t.Errorf("%s is %v, want %v", name, got["auditbridge_"+name], want)
			}
		}
	})
	t.Run("of the kernel, over a Unix socket", func(t *testing.T) {
		kernel := audittest.Kernel(t)
		dir := t.TempDir()
		d := newDaemon(t, "[metrics]\nlisten = \"unix:"+filepath.Join(dir, "m.sock")+"\"\n")
		d.start()
		kernel.Generate(100, 0, "metrics")
		d.scrapes(t, "unix", filepath.Join(dir, "m.sock"))
	})
	t.Run("by default", func(t *testing.T) {
		d := newDaemon(t, fromStdin)
		d.start()
		if strings.Contains(d.said.String(), "metrics") {
			t.Errorf("it says\n%s", d.said)
		}
	})
}

// scrapes compares until one moment is caught in which nothing moves.
func (d *instance) scrapes(t *testing.T, network, place string) {
	t.Helper()
	diff := "nothing was compared"
	t.Cleanup(func() {
		if diff != "" {
			t.Errorf("-status +metrics\n%s", diff)
		}
	})
	peertest.Until(t, "the metrics equal the status", func() bool {
		out, _ := program("status", "--json", "--config", d.config).Output()
		var s map[string]any
		if json.Unmarshal(out, &s) != nil {
			return false
		}
		got, err := scrape(network, place)
		if err != nil {
			diff = err.Error()
			return false
		}
		for name := range got { // 0 of what does not hold
			if got[name] == 0 && (documented(t)[family(name)] == "alarms[].id" || documented(t)[family(name)] == "warnings[].code" || isWord(s, documented(t)[family(name)])) {
				delete(got, name)
			}
		}
		diff = cmp.Diff(told(documented(t), s), got)
		return diff == ""
	})
}

// documented is the table of docs/metrics.md: where each name stands in `status
// --json`.
func documented(t *testing.T) map[string]string {
	t.Helper()
	names := map[string]string{}
	for _, line := range lines(t, "../../docs/metrics.md") {
		if cells := strings.Split(line, "|"); len(cells) == 7 && strings.HasPrefix(cells[1], " `") {
			names[strings.Trim(cells[1], " `")] = strings.Trim(cells[4], " `")
		}
	}
	if len(names) < 30 {
		t.Fatalf("docs/metrics.md lists %v", names)
	}
	return names
}

// told is what a status says under each name; its labels follow in braces.
func told(names map[string]string, s map[string]any) map[string]float64 {
	all := map[string]float64{}
	for name, path := range names {
		list, key, isList := strings.Cut(path, "[].")
		if !isList {
			tell(all, name, "", lookup(s, path))
			continue
		}
		for _, one := range s[list].([]any) {
			switch v := one.(map[string]any); {
			case list == "alarms", list == "warnings":
				all[name+"{"+v[key].(string)+"}"]++
			case key == "missed" && v[key] == nil:
				tell(all, name, v["name"].(string), 0.)
			default:
				tell(all, name, v["name"].(string), v[key])
			}
		}
	}
	return all
}

func tell(all map[string]float64, name, label string, value any) {
	braced := name
	if label != "" {
		braced += "{" + label + "}"
	}
	switch v := value.(type) {
	case float64:
		all[braced] = v
	case bool:
		all[braced] = map[bool]float64{true: 1}[v]
	case map[string]any: // by class
		for class, n := range v {
			all[name+"{"+strings.TrimSpace(class+" "+label)+"}"] = n.(float64)
		}
	case string:
		if when, err := time.Parse(time.RFC3339Nano, v); err == nil {
			all[name] = float64(when.UnixMilli()) / 1000
		} else {
			all[name+"{"+v+"}"] = 1
		}
	}
}

// lookup finds a path such as disk.level. What is false is left out in one place.
func lookup(s map[string]any, path string) any {
	if path == "clock_held" && s[path] == nil {
		return false
	}
	key, rest, more := strings.Cut(path, ".")
	if !more {
		return s[key]
	}
	table, _ := s[key].(map[string]any)
	return lookup(table, rest)
}

func isWord(s map[string]any, path string) bool {
	_, is := lookup(s, path).(string)
	return is
}

func family(name string) string {
	name, _, _ = strings.Cut(name, "{")
	return name
}

// scrape asks as Prometheus does and reads the answer with its parser: each
// sample by its name, with the values of its labels in braces.
func scrape(network, place string) (map[string]float64, error) {
	client := http.Client{Transport: &http.Transport{DisableKeepAlives: true, DialContext: func(ctx context.Context, _, _ string) (net.Conn, error) {
		return (&net.Dialer{}).DialContext(ctx, network, place)
	}}}
	answer, err := client.Get("http://localhost/metrics")
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	parser := expfmt.NewTextParser(model.UTF8Validation)
	families, err := parser.TextToMetricFamilies(answer.Body)
	if err != nil || answer.StatusCode != http.StatusOK {
		return nil, fmt.Errorf("%s, %v", answer.Status, err)
	}
	all := map[string]float64{}
	for f := range maps.Values(families) {
		for _, m := range f.Metric {
			name := f.GetName()
			byName := map[string]string{}
			for _, l := range m.Label {
				byName[l.GetName()] = l.GetValue()
			}
			var labels []string
			for _, name := range slices.Sorted(maps.Keys(byName)) { // their order means nothing
				labels = append(labels, byName[name])
			}
			if len(labels) > 0 {
				name += "{" + strings.Join(labels, " ") + "}"
			}
			all[name] = m.GetCounter().GetValue() + m.GetGauge().GetValue() // it has one of them
		}
	}
	return all, nil
}
