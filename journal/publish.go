package journal

import (
	"errors"
	"runtime/debug"
	"sync/atomic"

	"auditbridge/auditbridge"
)

// errMarkLost says that the mark's page can no longer be written: its file
// system went read-only or failed under the mapping.
var errMarkLost = errors.New("the durable mark's page can no longer be written")

// publish runs store, which writes to the page. A store to a mapped file can
// fault where write(2) would fail: that is turned into an error, because a
// process that dies of a broken disk could not say so any more.
func publish(store func()) (err error) {
	defer debug.SetPanicOnFault(debug.SetPanicOnFault(true))
	defer func() {
		if r := recover(); r != nil {
			err = errMarkLost
		}
	}()
	store()
	return nil
}

// raise publishes a new durable mark and wakes who waits for it. It never
// lowers it.
func (m *Mark) raise(to auditbridge.Sequence) error {
	return publish(func() {
		if to <= m.Durable() {
			return
		}
		m.store(to)
	})
}

// store writes both copies of the durable mark, one after the other, and wakes
// who waits for it.
func (m *Mark) store(to auditbridge.Sequence) {
	atomic.StoreUint64(&m.page.spare, uint64(to))
	atomic.StoreUint64(&m.page.sparing, ^uint64(to))
	atomic.StoreUint64(&m.page.durable, uint64(to))
	atomic.StoreUint64(&m.page.check, ^uint64(to))
	atomic.AddUint32(&m.page.wake, 1)
	futexWake(&m.page.wake)
}

// turn publishes the append loop's progress.
func (m *Mark) turn(p progress) error {
	return publish(func() {
		atomic.StoreUint64(&m.page.written, uint64(p.written))
		atomic.StoreUint64(&m.page.refused, p.refused)
		atomic.StoreUint32(&m.page.state, uint32(p.state))
		atomic.StoreInt64(&m.page.heartbeat, p.at.UnixNano())
	})
}

// opened publishes that another segment is the open one, before anything in
// it can be durable.
func (m *Mark) opened(first auditbridge.Sequence) error {
	return publish(func() {
		atomic.StoreUint64(&m.page.segment, uint64(first))
		atomic.AddUint64(&m.page.epoch, 1)
	})
}
