package forward

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"os"
	"reflect"
	"slices"
	"sync"

	"auditbridge/auditbridge"
	"auditbridge/forward/entrance"
)

// Socket is one that listens. Closing it takes its file away, where it has one.
type Socket interface {
	File() (*os.File, error) // a duplicate
	Found() error            // why who comes does not find it, although it listens
	io.Closer
}

// DoorkeeperConfig is what run's side of the entrances needs.
type DoorkeeperConfig struct {
	Entrances []entrance.Config
	Listen    func(entrance.Config) (Socket, error)  // takes the socket of one
	Start     func(socket *os.File) (Process, error) // makes a ship that has it as descriptor Socket
	Socket    int                                    // see Start
	Note      func(auditbridge.Note)                 // puts a record of our own into the journal; must not block
	Log       *slog.Logger
}

// Doorkeeper is run's side of the entrances. It holds their sockets, so that one stays
// what it is whatever becomes of the process that serves it, and keeps a ship at each:
// what other programs send, and what they do to the process that carries it, touches
// neither the records' own way out nor another entrance.
type Doorkeeper struct {
	cfg DoorkeeperConfig // Entrances are in doors

	changing sync.Mutex // one Reconfigure at a time

	mu    sync.Mutex
	doors map[string]*door
	open  func(*door) // puts a door to work; nil while Run does not run
	hired sync.WaitGroup
}

// NewDoorkeeper validates cfg. It starts nothing and takes no socket.
func NewDoorkeeper(cfg DoorkeeperConfig) (*Doorkeeper, error) {
	if err := validateEntrances(cfg.Entrances); err != nil {
		return nil, err
	}
	k := &Doorkeeper{cfg: cfg, doors: map[string]*door{}}
	for _, e := range cfg.Entrances {
		k.doors[e.Name()] = &door{Config: e, keeper: k}
	}
	return k, nil
}

func validateEntrances(all []entrance.Config) error {
	var problems []error
	names := map[string]bool{}
	for _, e := range all {
		problems = append(problems, e.Validate())
		if names[e.Name()] {
			problems = append(problems, fmt.Errorf("port-forwarding %q: name: there are two of them", e.Name()))
		}
		names[e.Name()] = true
	}
	return errors.Join(problems...)
}

// Run keeps the entrances open until ctx ends. Guests have to go then.
func (k *Doorkeeper) Run(ctx context.Context) error {
	k.mu.Lock()
	k.open = func(d *door) {
		work, end := context.WithCancel(ctx)
		d.end, d.over = end, make(chan struct{})
		k.hired.Go(func() {
			defer close(d.over)
			defer end()
			d.work(work)
		})
	}
	for _, d := range k.doors {
		k.open(d)
	}
	k.mu.Unlock()
	<-ctx.Done()
	k.mu.Lock()
	k.open = nil
	k.mu.Unlock()
	k.hired.Wait()
	return nil
}

// Reconfigure takes over other entrances. One whose settings and whose tunnel's stay
// what they are is not touched, nor are its guests. One that changed is closed and
// opened anew. With an error nothing has changed.
func (k *Doorkeeper) Reconfigure(next []entrance.Config) error {
	if err := validateEntrances(next); err != nil {
		return err
	}
	k.changing.Lock()
	defer k.changing.Unlock()
	var gone []*door
	k.mu.Lock()
	for name, d := range k.doors {
		if !slices.ContainsFunc(next, func(e entrance.Config) bool { return reflect.DeepEqual(e, d.Config) }) {
			gone = append(gone, d)
			delete(k.doors, name)
		}
	}
	k.mu.Unlock()
	for _, d := range gone { // all at once, for one may take its time
		d.stop()
	}
	for _, d := range gone {
		d.wait()
	}
	k.mu.Lock()
	defer k.mu.Unlock()
	for _, e := range next {
		if k.doors[e.Name()] == nil {
			d := &door{Config: e, keeper: k}
			k.doors[e.Name()] = d
			if k.open != nil {
				k.open(d)
			}
		}
	}
	return nil
}

// EntranceStats is what is known of an entrance. Its counts are since run began.
type EntranceStats struct {
	Listening bool // its socket is taken
	entrance.Stats
}

// Stats returns them by name.
func (k *Doorkeeper) Stats() map[string]EntranceStats {
	k.mu.Lock()
	defer k.mu.Unlock()
	all := map[string]EntranceStats{}
	for name, d := range k.doors {
		all[name] = d.stats()
	}
	return all
}
