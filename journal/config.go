package journal

import (
	"errors"
	"fmt"
	"log/slog"
	"os"
	"path/filepath"
	"time"

	"auditbridge/seal"
)

// FormatVersion is the version of what is on disk. A higher one is refused
// with ErrNewer.
const FormatVersion = 1

// Flush says when what was written is made durable.
type Flush string

const (
	FlushGroup Flush = "group" // 50 ms after the first unsynced byte, or at 1 MiB
	FlushData  Flush = "data"  // before anything else sees the batch
)

// Defaults of Config.
const (
	DefaultSegmentSize = 64 << 20
	defaultSegmentAge  = 24 * time.Hour
	defaultHeartbeat   = time.Hour
)

// Config says where a journal is and how it is kept.
type Config struct {
	Dir      string // journal-dir: segments, links, mark; absolute
	StateDir string // state-dir: signing keys, cursors; absolute, another one than Dir

	Flush       Flush         // "" means FlushGroup
	SegmentSize int64         // bytes at which a segment closes; 0 means 64 MiB
	SegmentAge  time.Duration // age at which it closes; 0 means 24 h
	Retention   time.Duration // when positive a segment closes at 1/24 of it, too
	Heartbeat   time.Duration // how often an idle journal says it is alive; 0 means hourly
	GroupID     int           // who may read besides root: files 0640, directories 0750; negative: nobody
	Source      string        // where the records come from, for the block lines: kernel, plugin, file:PATH
	Algorithm   seal.Algorithm

	// Relays is asked for every checkpoint how far each relay's cursor is; it
	// must not block. nil means there are none.
	Relays func() []seal.RelayPosition
	// OnState is called in the append loop when the state changes, and when that
	// begins in another than StateOK; it must not block, nor call the journal.
	OnState func(State)
	// OnAppend is called in the append loop after each batch; the same holds for it.
	OnAppend func()
	// OnSegment is called in the append loop when a segment was closed and the next
	// opened; the same holds for it.
	OnSegment func()
	Logger    *slog.Logger // nil discards

	reserve int64 // smaller in tests only
}

// Validate names everything that is wrong with c.
func (c *Config) Validate() error {
	var errs []error
	for key, path := range map[string]string{"journal-dir": c.Dir, "state-dir": c.StateDir} {
		if !filepath.IsAbs(path) {
			errs = append(errs, fmt.Errorf("%s: %q is not an absolute path", key, path))
		}
	}
	if filepath.Clean(c.Dir) == filepath.Clean(c.StateDir) {
		errs = append(errs, errors.New("state-dir: must not be journal-dir: readers of the journal must not come near keys"))
	}
	if c.Flush != "" && c.Flush != FlushGroup && c.Flush != FlushData {
		errs = append(errs, fmt.Errorf("flush: %q is neither %q nor %q", c.Flush, FlushGroup, FlushData))
	}
	if c.SegmentSize < 0 || c.SegmentAge < 0 || c.Heartbeat < 0 {
		errs = append(errs, errors.New("segment size, segment age and heartbeat must not be negative"))
	}
	if c.Source == "" {
		errs = append(errs, errors.New("source: must be named"))
	}
	return errors.Join(errs...)
}

func (c *Config) setDefaults() {
	if c.Flush == "" {
		c.Flush = FlushGroup
	}
	if c.SegmentSize == 0 {
		c.SegmentSize = DefaultSegmentSize
	}
	if c.SegmentAge == 0 {
		c.SegmentAge = defaultSegmentAge
	}
	if c.Retention > 0 {
		c.SegmentAge = min(c.SegmentAge, c.Retention/24)
	}
	if c.Heartbeat == 0 {
		c.Heartbeat = defaultHeartbeat
	}
	if c.Algorithm == "" {
		c.Algorithm = seal.Ed25519
	}
	if c.reserve == 0 {
		c.reserve = defaultReserve
	}
	if c.Logger == nil {
		c.Logger = slog.New(slog.DiscardHandler)
	}
}

func (c *Config) fileMode() os.FileMode {
	if c.GroupID >= 0 {
		return 0o640
	}
	return 0o600
}

func (c *Config) dirMode() os.FileMode {
	if c.GroupID >= 0 {
		return 0o750
	}
	return 0o700
}

// State is what the journal can do at the moment.
type State uint32

const (
	StateOK        State = iota // records are stored
	StateFull                   // the disk is full: intake is drained and counted; recording resumes by itself
	StateSuspended              // the same by order (Suspend), until Resume
	StateFailed                 // the disk fails: the same, and a new segment is tried again and again
)

func (s State) String() string {
	if int(s) < len(stateNames) {
		return stateNames[s]
	}
	return fmt.Sprintf("state %d", uint32(s))
}

var stateNames = [...]string{"ok", "full", "suspended", "failed"}
