// Command drop shows what dropping old segments costs whoever is recording: how
// long records take until they are durable while nothing else happens, and while
// all closed segments of the journal go at once. usage: drop DIR [SEGMENTS]
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"time"

	"auditbridge/journal"
	"auditbridge/journal/ring"
)

const (
	line    = "type=USER_CMD msg=audit(1709742929.000:1): pid=3025 uid=0 auid=1000 ses=3 msg='cwd=\"/\" cmd=6C73 exe=\"/usr/bin/sudo\" terminal=pts/0 res=success'\n"
	segment = 256 << 10 // bytes: so small that 10 000 of them fit any disk
)

func main() {
	if len(os.Args) < 2 || len(os.Args) > 3 {
		fmt.Fprintln(os.Stderr, "usage: drop DIR [SEGMENTS]")
		os.Exit(2)
	}
	segments := 10000
	if len(os.Args) == 3 {
		segments, _ = strconv.Atoi(os.Args[2])
	}
	if err := drop(os.Args[1], segments); err != nil {
		fmt.Fprintf(os.Stderr, "drop: %v\n", err)
		os.Exit(1)
	}
}

func drop(dir string, segments int) error {
	r, err := ring.Open(ring.Config{})
	if err != nil {
		return err
	}
	store, err := journal.Open(journal.Config{Dir: filepath.Join(dir, "journal"), StateDir: filepath.Join(dir, "state"), Source: "plugin", GroupID: -1, SegmentSize: segment}, r)
	if err != nil {
		return err
	}
	ended := make(chan error, 1)
	go func() { ended <- store.Run(context.Background()) }()
	w := writer{r, store}
	w.fill(segments)
	fmt.Printf("%d segments\n", len(store.Segments()))

	quiet := w.latencies(func() { time.Sleep(3 * time.Second) })
	quiet.print("nothing else happens")
	dropped := w.latencies(func() {
		n := len(store.Segments()) - 1
		begin := time.Now()
		err = store.Drop(context.Background(), n, "bench")
		fmt.Printf("%d segments dropped in %v\n", n, time.Since(begin).Round(time.Millisecond))
	})
	dropped.print("while they are dropped")
	r.Close()
	return errors.Join(err, <-ended, store.Close())
}

type writer struct {
	*ring.Ring
	store *journal.Journal
}

// fill writes until there are so many segments.
func (w writer) fill(segments int) {
	for len(w.store.Segments()) <= segments {
		for w.Free() < w.Size()/2 {
			<-w.Space(w.Size() / 2)
		}
		w.write(1000)
	}
	for w.Free() < w.Size() {
		time.Sleep(10 * time.Millisecond)
	}
}

func (w writer) write(lines int) {
	room := w.Room()
	for range lines {
		room = append(room, line...)
	}
	w.Publish(len(room), lines)
}

type latencies []time.Duration

// latencies writes a record, waits until it is durable, and so on, for as long as
// do takes.
func (w writer) latencies(do func()) (took latencies) {
	done := make(chan struct{})
	go func() { defer close(done); do() }()
	for {
		select {
		case <-done:
			return took
		default:
		}
		before := w.store.Mark().Durable()
		begin := time.Now()
		w.write(1)
		w.store.Mark().Wait(context.Background(), before)
		took = append(took, time.Since(begin))
	}
}

func (l latencies) print(when string) {
	slices.Sort(l)
	ms := func(d time.Duration) float64 { return float64(d.Microseconds()) / 1000 }
	fmt.Printf("%-24s a record is durable after %.1f ms (median of %d), at most %.1f ms\n", when, ms(l[len(l)/2]), len(l), ms(l[len(l)-1]))
}
