package auditbridge

import (
	"syscall"
	"time"

	"github.com/elastic/go-libaudit/v2"
)

// typeTrustedApp is a user message of free text (AUDIT_TRUSTED_APP).
const typeTrustedApp = 1121

// queued sends requests like the connection it wraps, and hands on the place in
// the line that a request had to wait in.
//
// While its queue is full, the kernel makes whoever sends it a request wait in
// one line with the processes it holds back, and wakes one of them each time it
// has emptied the queue (kernel/audit.c: audit_receive, kauditd_thread). Woken by
// a request that logs nothing, it has no reason to turn again, and all others
// sleep for the whole of backlog_wait_time, a minute. So a request that waited is
// followed by a record.
type queued struct{ libaudit.NetlinkSendReceiver }

func (q queued) Send(msg syscall.NetlinkMessage) (uint32, error) {
	const waited = 2 * time.Millisecond // the kernel answers in microseconds
	sent := time.Now()
	seq, err := q.NetlinkSendReceiver.Send(msg)
	if err == nil && time.Since(sent) > waited {
		// A failure leaves the others asleep for a while, as without us.
		q.NetlinkSendReceiver.Send(syscall.NetlinkMessage{
			Header: syscall.NlMsghdr{Type: typeTrustedApp, Flags: syscall.NLM_F_REQUEST},
			Data:   []byte("op=wake-next app=auditbridge res=success\x00"),
		})
	}
	return seq, err
}
