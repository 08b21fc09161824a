package auditbridge

import (
	"context"
	"encoding/binary"
	"fmt"
	"log/slog"
	"sync/atomic"
	"time"

	"golang.org/x/sys/unix"

	"auditbridge/journal/ring"
)

// receiver puts every record that comes over a NETLINK_AUDIT socket into the
// ring. Whoever embeds it runs it in one goroutine.
type receiver struct {
	socket   *auditSocket
	in       intake
	pressure Pressure
	pause    time.Duration // how long records may gather in the socket
	log      *slog.Logger

	answers func(message []byte) // takes what is for the kernel's owner; nil when none comes
	serials serialBook
	resets  resetBook     // of the kernel's counter of lost records
	rules   chan struct{} // gets one when rules were changed

	begun  chan struct{} // closed when records come
	turned atomic.Int64  // Unix nanoseconds: when it last went round

	holding time.Time // since when processes are held back; zero when not
	counts  socketCounts
}

// KernelStats counts what came over the socket and is not a sound record.
type KernelStats struct {
	Foreign   uint64 // messages not sent by the kernel, dropped
	Malformed uint64 // shorter than a netlink header, dropped
	Truncated uint64 // records longer than libaudit's maximum, stored cut
	Overruns  uint64 // times the socket's buffer overran
}

type socketCounts struct{ foreign, malformed, truncated, overruns atomic.Uint64 }

func newReceiver(s *auditSocket, r *ring.Ring, p Pressure, pause time.Duration, log *slog.Logger) receiver {
	return receiver{
		socket: s, in: intake{ring: r, slots: r.Slots()},
		pressure: p, pause: pause, log: log, begun: make(chan struct{}), rules: make(chan struct{}, 1),
	}
}

// Begun is closed when what the kernel logs from then on is received.
func (r *receiver) Begun() <-chan struct{} { return r.begun }

// longestTurn bounds in milliseconds how long an idle receiver waits, so that one
// that is stuck can be told from one that has nothing to do.
const longestTurn = 2000

// Turned is when the receiver last went round, since Begun; it does so every few
// seconds at least. Any goroutine may call it.
func (r *receiver) Turned() time.Time { return time.Unix(0, r.turned.Load()) }

// Stats may be called from any goroutine.
func (r *receiver) Stats() KernelStats {
	return KernelStats{
		r.counts.foreign.Load(), r.counts.malformed.Load(),
		r.counts.truncated.Load(), r.counts.overruns.Load(),
	}
}

// linger receives until no serial is missing that may still come, or that takes
// too long: some events are under way when a source ends.
func (r *receiver) linger() error {
	const underway = 100 * time.Millisecond
	for end := time.Now().Add(underway); r.serials.open() && time.Now().Before(end); {
		if err := r.socket.wait(10); err != nil {
			return err
		}
		if _, err := r.drain(); err != nil {
			return err
		}
	}
	return nil
}

// receive receives until ctx ends.
func (r *receiver) receive(ctx context.Context) (err error) {
	rung := make(chan struct{})
	stop := context.AfterFunc(ctx, func() {
		r.socket.wakeUp()
		close(rung)
	})
	r.turned.Store(time.Now().UnixNano())
	close(r.begun)
	for err == nil && ctx.Err() == nil {
		r.turned.Store(time.Now().UnixNano())
		if err = r.socket.wait(longestTurn); err == nil {
			time.Sleep(r.pause)
			_, err = r.drain()
		}
	}
	if !stop() {
		<-rung // nobody may ring when the socket is closed
	}
	r.socket.quiet()
	return err
}

// finish stores what a killed process had received.
func (r *receiver) finish() {
	if from, to := r.in.slots.Unfinished(); from < to {
		r.log.Info("finishing what a killed process had received", "messages", to-from)
		r.take(from, to)
	}
}

// drain receives until nothing waits in the socket, but returns in between now
// and then, since a busy kernel fills it for ever.
func (r *receiver) drain() (empty bool, err error) {
	for range 100 {
		limit := r.appetite()
		n, err := r.in.slots.Receive(r.socket.fd, limit)
		switch {
		case err == unix.EAGAIN:
			return true, nil
		case err == unix.ENOBUFS:
			r.counts.overruns.Add(1)
			continue
		case err != nil:
			return false, fmt.Errorf("receive from kernel audit: %w", err)
		}
		r.take(0, n)
		if n < limit {
			return true, nil
		}
	}
	return false, nil
}

// take puts the messages [from, to) of the batch into the ring.
func (r *receiver) take(from, to int) {
	r.serials.mu.Lock()
	defer r.serials.mu.Unlock()
	r.in.taken = from
	for i := from; i < to; i++ {
		r.message(i)
		r.in.taken = i + 1
	}
	r.in.commit()
}

// message deals with one message. The length is what was received: in what the
// kernel sends to its owner, nlmsg_len leaves the header out, and only there.
func (r *receiver) message(i int) {
	message := r.in.slots.Message(i)
	if r.in.slots.Sender(i) != 0 {
		r.counts.foreign.Add(1)
		return
	}
	if len(message) < netlinkHeaderLen {
		r.counts.malformed.Add(1)
		return
	}
	if r.in.slots.Truncated(i) {
		r.counts.truncated.Add(1)
	}
	switch t := binary.NativeEndian.Uint16(message[4:]); {
	case (t == netlinkError || t == auditReplace) && r.answers != nil:
		r.answers(message)
	case isRecord(t):
		text := message[netlinkHeaderLen:]
		r.serials.saw(RecordType(t), text)
		if RecordType(t) == typeConfigChange {
			r.resets.saw(text)
			r.sawRules(text)
		}
		if r.in.admit() {
			r.in.room = AppendLine(r.in.room, RecordType(t), text)
			r.in.records++
		} else {
			r.in.refuse(RecordType(t), text)
		}
	}
}

// isRecord tells records from the answers to commands, which share the number
// space: of the numbers below 1100 only USER and LOGIN are records; REPLACE is a
// question to the owner whether it still lives.
func isRecord(t uint16) bool {
	const user, login, firstRecord = 1005, 1006, 1100
	return t >= firstRecord && t != auditReplace || t == user || t == login
}

// appetite returns how many messages to receive next: as many as surely fit
// into the ring. Nearing its end, ProtectAudit takes one message at a time and
// rests in between, so that the kernel's queues fill and it holds back whom it
// audits; a reader that takes nothing at all would make it drop them instead
// (kernel/audit.c, kauditd_send_queue: five tries of 100 ms).
func (r *receiver) appetite() int {
	free := r.in.ring.Free()
	switch {
	case free >= r.in.ring.Size()/4:
		r.holding = time.Time{}
	case r.pressure.Overload == ProtectAudit && free >= MaxLine:
		if r.holding.IsZero() {
			r.holding = time.Now()
			r.log.Warn("the disk does not keep up: holding back audited processes", "at most", r.pressure.HoldBack)
		}
		if time.Since(r.holding) < r.pressure.HoldBack {
			r.rest(50 * time.Millisecond)
			return 1
		}
	}
	if fits := free / MaxLine; fits > 0 {
		return min(fits, ring.Batch)
	}
	return ring.Batch // to be counted and refused
}

// rest waits until the ring has space again or d is over.
func (r *receiver) rest(d time.Duration) {
	timer := time.NewTimer(d)
	defer timer.Stop()
	select {
	case <-r.in.ring.Space(r.in.ring.Size() / 4):
	case <-timer.C:
	}
}
