// Package forward sends what the journal holds to remote-logging servers.
//
// Each destination has one Relay: a reader of the journal with a cursor of its
// own. Data flows one way,
//
//	Journal → Reassembler → Classify → filter → format → batch → Transport → Conn
//
// and the cursor follows behind, when what was sent has taken effect. A slow or
// dead destination holds up nobody but itself, and holds no memory: the
// journal is its queue. The relays live in the unprivileged ship process
// (ship.go); run owns the cursor files and checks what ship reports
// (shipper.go).
//
// When a record counts as delivered is the protocol's promise (Promise). Over a
// stream without acknowledgement its bytes have reached the far host (acknowledged
// by its TCP, or taken by the SSH server) and the connection has stayed up for
// another five seconds; or, after our orderly half-close, the far end closed in
// order too. Whatever is younger when a connection breaks is sent again.
package forward

import (
	"errors"
	"fmt"
	"net"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward/syslog"
	"auditbridge/forward/tlslink"
)

// The values of Config.Start.
const (
	StartNow    = "now"
	StartOldest = "oldest"
)

// Config is one destination with every value in force. It crosses the process
// boundary as JSON.
type Config struct {
	Name    string `json:"name"`
	Address string `json:"address"`       // as seen from the far end of Via
	Port    int    `json:"port"`          //
	Via     string `json:"via,omitempty"` // name of a tunnel; empty is directly

	Protocol string `json:"protocol"`          // a name of protocols; it decides what counts as delivered
	Framing  string `json:"framing,omitempty"` // of a stream without a frame of its own: one of Framings; FramingCount unless given

	TLS   *tlslink.Config `json:"tls,omitempty"`   // nil: without TLS
	HTTPS *HTTPS          `json:"https,omitempty"` // of ProtocolHTTPS

	Format   string   `json:"format"`             // one of Formats
	SDID     string   `json:"sd-id,omitempty"`    // NAME@ENTERPRISE of the structured data
	Node     string   `json:"node"`               // HOSTNAME on the wire
	PID      int      `json:"pid,omitempty"`      // PROCID: of the process that hears the records
	Build    string   `json:"build,omitempty"`    // version of the program, where a format has a place for it
	Facility string   `json:"facility,omitempty"` // stamped instead of the class's own
	Severity string   `json:"severity,omitempty"` // the same
	Include  []string `json:"include,omitempty"`  // classes that are sent; "all" or none means all
	Filters  []Filter `json:"filters,omitempty"`  // several are OR; none means everything
	Start    string   `json:"start"`              // without a cursor: StartNow or StartOldest

	CatchUpRate int64 `json:"catch-up-rate,omitempty"` // bytes a second at most; 0 is no bound

	MaxMessage int `json:"max-message,omitempty"` // bytes of an event's message; 0 is the format's own bound

	ConnectTimeout time.Duration `json:"connect-timeout,omitempty"` // 10 s
	WriteTimeout   time.Duration `json:"write-timeout,omitempty"`   // of a far end that reads nothing; 30 s
	AckTimeout     time.Duration `json:"ack-timeout,omitempty"`     // of a far end that acknowledges nothing; 60 s
	Settle         time.Duration `json:"settle,omitempty"`          // the five seconds of the promise
	Idle           time.Duration `json:"idle,omitempty"`            // how long a quiet journal brings no more of an event before it is sent as it is; 200 ms
	Grace          time.Duration `json:"grace,omitempty"`           // for an orderly end; 5 s
}

// Filter lets an event pass when all that it sets holds.
type Filter struct {
	Facility string `json:"facility,omitempty"` // the event's own; empty is any
	Severity string `json:"severity,omitempty"` // this level or more urgent; empty is any
	Match    string `json:"match,omitempty"`    // RE2, on the whole formatted message
}

// MinCatchUpRate, in bytes a second, lets a batch go in four seconds.
const MinCatchUpRate = 16 << 10

func (c Config) withDefaults() Config {
	for _, d := range []struct {
		value    *time.Duration
		fallback time.Duration
	}{
		{&c.ConnectTimeout, 10 * time.Second}, {&c.WriteTimeout, 30 * time.Second}, {&c.AckTimeout, time.Minute},
		{&c.Settle, 5 * time.Second}, {&c.Idle, 200 * time.Millisecond}, {&c.Grace, 5 * time.Second},
	} {
		if *d.value == 0 {
			*d.value = d.fallback
		}
	}
	if c.Protocol == ProtocolUDP && c.MaxMessage == 0 {
		c.MaxMessage = maxDatagramEvent
	}
	return c
}

// Validate returns every problem of c at once, each naming its key.
func (c Config) Validate() error {
	var problems []error
	bad := func(key, format string, args ...any) {
		problems = append(problems, fmt.Errorf("remote-logging-server %q: %s: %s", c.Name, key, fmt.Sprintf(format, args...)))
	}
	if c.Name == "" {
		bad("name", "missing")
	}
	if c.Address == "" {
		bad("address", "missing")
	}
	if c.Port < 1 || c.Port > 65535 {
		bad("port", "%d is not a port (1 to 65535)", c.Port)
	}
	if p := protocolOf(c.Protocol); p == nil {
		bad("protocol", "%q is none there is", c.Protocol)
	} else if err := p.validate(&c); err != nil {
		problems = append(problems, fmt.Errorf("remote-logging-server %q: %w", c.Name, err))
	}
	if !slices.Contains(Formats, c.Format) {
		bad("format", "%q is none of %s", c.Format, strings.Join(Formats, " "))
	}
	if c.Start != StartNow && c.Start != StartOldest {
		bad("start", "%q is neither %s nor %s", c.Start, StartNow, StartOldest)
	}
	checkFacility := func(key, name string) {
		if _, ok := auditbridge.ParseFacility(name); name != "" && !ok {
			bad(key, "%q is no syslog facility", name)
		}
	}
	checkSeverity := func(key, name string) {
		if _, ok := auditbridge.ParseSeverity(name); name != "" && !ok {
			bad(key, "%q is no syslog severity", name)
		}
	}
	if err := (syslog.Config{Node: c.Node, SDID: c.SDID, MaxBytes: c.MaxMessage}).Validate(); err != nil {
		problems = append(problems, fmt.Errorf("remote-logging-server %q: %w", c.Name, err))
	}
	if c.TLS != nil {
		problems = append(problems, c.TLS.Validate())
	}
	checkFacility("facility", c.Facility)
	checkSeverity("severity", c.Severity)
	for _, name := range c.Include {
		if _, ok := auditbridge.ParseClass(name); name != "all" && !ok {
			bad("include", "%q is no class (all login session config-change system alarm)", name)
		}
	}
	if c.CatchUpRate != 0 && c.CatchUpRate < MinCatchUpRate {
		bad("catch-up-rate", "%d bytes a second are fewer than %d", c.CatchUpRate, MinCatchUpRate)
	}
	for i, f := range c.Filters {
		key := "filter[" + strconv.Itoa(i) + "]"
		checkFacility(key+".facility", f.Facility)
		checkSeverity(key+".severity", f.Severity)
		if _, err := regexp.Compile(f.Match); err != nil {
			bad(key+".match", "%v", err)
		}
	}
	for _, d := range []struct {
		key   string
		value time.Duration
	}{{"connect-timeout", c.ConnectTimeout}, {"write-timeout", c.WriteTimeout}, {"ack-timeout", c.AckTimeout}, {"settle", c.Settle}, {"idle", c.Idle}, {"grace", c.Grace}} {
		if d.value < 0 {
			bad(d.key, "%v is negative", d.value)
		}
	}
	return errors.Join(problems...)
}

func (c Config) endpoint() string { return net.JoinHostPort(c.Address, strconv.Itoa(c.Port)) }
