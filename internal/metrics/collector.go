// Package metrics shows run's books to Prometheus. It counts nothing itself: each
// scrape reads the status that `auditbridge status` shows.
package metrics

import (
	"auditbridge/internal/status"

	"github.com/prometheus/client_golang/prometheus"
)

// metric is one name: what it is called, and what of a status it says.
type metric struct {
	name   string
	kind   prometheus.ValueType
	json   string // where `auditbridge status --json` says the same
	help   string
	labels []string
	read   func(s *status.Status, put func(value float64, labels ...string))
}

// collector reads a judged status at each scrape.
type collector struct {
	look  func() *status.Status
	descs []*prometheus.Desc // one for each of table
}

func newCollector(look func() *status.Status) *collector {
	c := &collector{look: look}
	for _, m := range table {
		c.descs = append(c.descs, prometheus.NewDesc(m.name, m.help, m.labels, nil))
	}
	return c
}

// Describe sends what table holds.
func (c *collector) Describe(to chan<- *prometheus.Desc) {
	for _, d := range c.descs {
		to <- d
	}
}

// Collect sends what one status says: the numbers of a scrape belong together.
func (c *collector) Collect(to chan<- prometheus.Metric) {
	s := c.look()
	for i := range table {
		m := &table[i]
		m.read(s, func(value float64, labels ...string) {
			sample, err := prometheus.NewConstMetric(c.descs[i], m.kind, value, labels...)
			if err != nil {
				sample = prometheus.NewInvalidMetric(c.descs[i], err) // said in the scrape's answer
			}
			to <- sample
		})
	}
}
