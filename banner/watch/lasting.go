package watch

import (
	"encoding/json"
	"errors"
	"fmt"
	"io/fs"
	"sync"

	"auditbridge/internal/durable"
)

// lasting keeps what run has not put on record where it outlives the host: what was
// told, and why the host was halted, is on record when run is back, in whatever
// boot that is. Its disk may be what does not work, so nobody waits for it who does
// not want to.
type lasting struct {
	mu    sync.Mutex
	asked uint64 // how often it was asked to keep something

	disk  sync.Mutex
	wrote uint64 // the request whose entries are on disk
	busy  chan struct{}
}

const (
	lastingFile = "watch-entries" // in state-dir
	mostWaiting = 8               // for a disk that hangs
)

func newLasting() *lasting { return &lasting{busy: make(chan struct{}, mostWaiting)} }

// keep replaces what is kept. done has the result when it is on disk; an older
// request that comes late changes nothing.
func (l *lasting) keep(stateDir string, entries []Entry) (done <-chan error) {
	result := make(chan error, 1)
	text, err := json.Marshal(entries)
	if err != nil {
		result <- err
		return result
	}
	select {
	case l.busy <- struct{}{}:
	default:
		result <- errors.New("its disk does not answer")
		return result
	}
	l.mu.Lock()
	l.asked++
	request := l.asked
	l.mu.Unlock()
	go func() {
		l.disk.Lock()
		defer l.disk.Unlock()
		defer func() { <-l.busy }()
		if request < l.wrote {
			result <- nil
			return
		}
		l.wrote = request
		result <- storeLasting(stateDir, text, len(entries) == 0)
	}()
	return result
}

func storeLasting(stateDir string, text []byte, nothing bool) error {
	dir, err := durable.OpenDir(stateDir, 0o700, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	if !nothing {
		return durable.Create(dir, lastingFile, text, 0o600, -1)
	}
	if err := durable.Remove(dir, lastingFile); err != nil && !errors.Is(err, fs.ErrNotExist) {
		return fmt.Errorf("forget what run has put on record: %w", err)
	}
	return nil
}

// kept is what a watch before us, in this boot or another, had to leave.
func kept(stateDir string) (entries []Entry, err error) {
	err = durable.Left(stateDir, lastingFile, mostTold, &entries)
	return entries, err
}
