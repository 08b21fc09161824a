package journal

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"sync"
	"sync/atomic"
	"syscall"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/boot"
	"auditbridge/internal/durable"
	"auditbridge/journal/ring"
	"auditbridge/seal"
)

// intake is where records come from: the consumer's side of *ring.Ring.
type intake interface {
	Pending() []byte
	Position() (at string, beyond uint64)
	EachUnwritten(do func(lines []byte))
	Drained() bool
	Wake() <-chan struct{}
	Intent(segmentFirst, offset uint64, n int)
	Written(n, records int)
	Left() (segmentFirst, offset uint64, n int)
	Discard(n, records int, firstSerial, lastSerial uint32)
	Refused() (n int, firstSerial, lastSerial uint32)
	DiscardTypes(ring.Types)
	RefusedTypes() (n int, firstSerial, lastSerial uint32, types ring.Types)
	TypesTold(ring.Types)
	Abandon(segmentFirst, offset uint64, lost int)
	Abandoned() (segmentFirst, offset uint64)
	Found(records int)
	Lost() int
	Told(at uint64, refused, lost int)
	Telling() (at uint64)
	Settle(durable uint64)
	Untold()
	Replay(dst []byte, n int) (replayed []byte, ok bool)
	Place() ring.Place
	Syncing(ring.Sync)
	Synced()
	Unsynced() ring.Sync
	TakeBack(ring.Place) bool
}

// Journal is a journal open for writing. Run may be called once.
type Journal struct {
	cfg   Config
	log   *slog.Logger
	id    ID
	dir   durable.Dir
	state durable.Dir
	locks []io.Closer
	ring  intake
	mark  *Mark
	sync  *syncer
	notes notes
	asks  chan ask
	boot  string // the kernel's boot_id
	ended Ended

	// Owned by the append loop (Run's goroutine; before it, Open's).
	seg      *segment // nil while StateFailed, and while late is set
	late     *found   // what a start found that the disk was too full for
	at       auditbridge.Sequence
	chain    *seal.Writer
	block    blockStart
	keys     keyring
	serial   uint32 // of our own next line
	schedule schedule
	unsynced unsynced
	again    ring.Place // of what was written, that which a failed sync has taken and is not written again yet
	trouble  trouble
	owed     owed
	refusal  refusal
	lastLine time.Time // when the last line came that is not a block line
	lastTurn time.Time
	overdue  time.Time // when it was last found that the open segment cannot be ended; zero when it can
	looked   time.Time // when it was last seen that the open segment has its name
	buf      []byte    // for one line of ours
	pending  []noted
	looping  bool // Run has begun
	markLost bool // it was said that the mark cannot be written
	openDir  openDir

	// books are read by Stats in any goroutine.
	books books

	// segments lists what is on disk; links and unlinking are under it, too.
	segmentsMu sync.Mutex
	segments   []Segment
}

// books counts since Open.
type books struct {
	lines, records, discarded, lost atomic.Uint64
	gaps, removed                   atomic.Uint64
	quarantined, notesDropped       atomic.Uint64
	damaged                         atomic.Uint64
	bytes, blocks, checkpoints      atomic.Uint64
	refusedSerials                  atomic.Uint64 // of the latest gap of refused records, first<<32 | last
	sealed                          atomic.Uint64 // sequence of the last checkpoint
	sealedAt                        atomic.Int64  // Unix nanoseconds
	state                           atomic.Uint32
	err                             atomic.Pointer[error]
}

// Open opens the journal in cfg.Dir, or makes one, and recovers what the last
// process left: after it, what is on disk is sound, durable and says what was
// mended. It starts nothing. The ring's consumer side belongs to the journal
// from then on. Errors that an operator can mend have a Hint() string.
func Open(cfg Config, r *ring.Ring) (*Journal, error) {
	return open(cfg, r, durable.OpenDir)
}

// openDir opens a directory; durable.OpenDir but in tests.
type openDir func(path string, mode os.FileMode, gid int) (durable.Dir, error)

func open(cfg Config, in intake, open openDir) (*Journal, error) {
	if err := cfg.Validate(); err != nil {
		return nil, fmt.Errorf("open journal: %w", err)
	}
	cfg.setDefaults()
	j := &Journal{
		cfg: cfg, log: cfg.Logger, ring: in, serial: auditbridge.FirstNoteSerial,
		openDir: open, asks: make(chan ask), buf: make([]byte, 0, 16<<10),
	}
	j.notes.bell = make(chan struct{}, 1)
	if err := j.openAll(open); err != nil {
		j.Close()
		return nil, fmt.Errorf("open journal %s: %w", cfg.Dir, err)
	}
	return j, nil
}

func (j *Journal) openAll(open openDir) (err error) {
	if j.boot, err = boot.ID(); err != nil {
		return err
	}
	for _, d := range []struct {
		to   *durable.Dir
		path string
		mode os.FileMode
		gid  int
	}{
		{&j.dir, j.cfg.Dir, j.cfg.dirMode(), j.cfg.GroupID},
		{&j.state, j.cfg.StateDir, 0o700, -1},
	} {
		if *d.to, err = open(d.path, d.mode, d.gid); err != nil {
			return writable(d.path, err)
		}
		lock, err := durable.Lock(*d.to, lockName)
		if err != nil {
			return writable(d.path, err)
		}
		j.locks = append(j.locks, lock)
	}
	if err := j.recover(time.Now()); err != nil {
		return writable(j.cfg.Dir, err)
	}
	return nil
}

// writable turns what a read-only or full file system or a foreign directory
// answers into an error with a hint.
func writable(path string, err error) error {
	switch {
	case errors.Is(err, os.ErrPermission) || errors.Is(err, syscall.EROFS):
		return &ReadOnlyError{path, err}
	case isFull(err):
		return &FullError{path, err}
	}
	return err
}

// ID is the journal's id.
func (j *Journal) ID() ID { return j.id }

// Mark is the journal's own mark; it is not the caller's to close.
func (j *Journal) Mark() *Mark { return j.mark }

// Run appends what the ring receives and what is noted until the ring is
// closed and drained, or ctx ends; then it makes the last checkpoint and all
// durable. What is still in the ring when ctx ends stays there for the next
// process. A disk that is full or fails is a State, not an error.
func (j *Journal) Run(ctx context.Context) error {
	stop := make(chan struct{})
	var syncing sync.WaitGroup
	syncing.Go(func() { j.sync.run(stop) })
	defer syncing.Wait()
	defer close(stop)
	return errors.Join(j.loop(ctx), j.finish())
}

// Close gives back files and locks. It writes nothing. Stats and Mark go on
// answering whoever asks late.
func (j *Journal) Close() error {
	var errs []error
	if j.seg != nil {
		errs = append(errs, j.seg.file.Close())
	}
	if j.mark != nil {
		errs = append(errs, j.mark.Close())
	}
	for _, lock := range j.locks {
		errs = append(errs, lock.Close())
	}
	for _, d := range []durable.Dir{j.dir, j.state} {
		if d != nil {
			errs = append(errs, d.Close())
		}
	}
	return errors.Join(errs...)
}
