// Package metrics shows run's books to Prometheus. It counts nothing itself: each
// scrape reads the status that `auditbridge status` shows.
package metrics

import (
	"slices"
	"strconv"
	"strings"

	"auditbridge/internal/status"
)

// kind is what TYPE says of a metric.
type kind string

const (
	counter kind = "counter"
	gauge   kind = "gauge"
)

// metric is one name: what it is called, and what of a status it says.
type metric struct {
	name   string
	kind   kind
	json   string // where `auditbridge status --json` says the same
	help   string
	labels []string
	read   func(s *status.Status, put func(value float64, labels ...string))
}

// contentType is of Prometheus' text format, which every scraper reads:
// https://prometheus.io/docs/instrumenting/exposition_formats/.
const contentType = "text/plain; version=0.0.4; charset=utf-8"

// appendAll appends what one status says, in that format: the numbers of a scrape
// belong together.
func appendAll(dst []byte, s *status.Status) []byte {
	for i := range table {
		dst = table[i].appendTo(dst, s)
	}
	return dst
}

// appendTo appends nothing when there is no sample. Samples stand in the order of
// their labels.
func (m *metric) appendTo(dst []byte, s *status.Status) []byte {
	var samples []string
	m.read(s, func(value float64, labels ...string) {
		samples = append(samples, m.name+m.labelled(labels)+" "+strconv.FormatFloat(value, 'g', -1, 64)+"\n")
	})
	if len(samples) == 0 {
		return dst
	}
	slices.Sort(samples)
	dst = append(dst, "# HELP "+m.name+" "+escapeHelp.Replace(m.help)+"\n# TYPE "+m.name+" "+string(m.kind)+"\n"...)
	for _, sample := range samples {
		dst = append(dst, sample...)
	}
	return dst
}

func (m *metric) labelled(values []string) string {
	var b strings.Builder
	for i, value := range values {
		b.WriteString(map[bool]string{true: "{", false: ","}[i == 0])
		b.WriteString(m.labels[i] + `="` + escapeLabel.Replace(strings.ToValidUTF8(value, "\uFFFD")) + `"`)
	}
	if len(values) > 0 {
		b.WriteByte('}')
	}
	return b.String()
}

var (
	escapeHelp  = strings.NewReplacer(`\`, `\\`, "\n", `\n`)
	escapeLabel = strings.NewReplacer(`\`, `\\`, "\n", `\n`, `"`, `\"`)
)
