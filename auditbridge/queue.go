package auditbridge

import (
	"syscall"
	"time"

	"github.com/elastic/go-libaudit/v2"
)

// typeTrustedApp is a user message of free text (AUDIT_TRUSTED_APP).
const typeTrustedApp = 1121

// queued sends requests like the connection it wraps, hands on the place in the
// line that a request had to wait in, and lets nobody take the answer to an
// earlier request for the answer to the last one.
//
// While its queue is full, the kernel makes whoever sends it a request wait in
// one line with the processes it holds back, and wakes one of them each time it
// has emptied the queue (kernel/audit.c: audit_receive, kauditd_thread). Woken by
// a request that logs nothing, it has no reason to turn again, and all others
// sleep for the whole of backlog_wait_time, a minute. So a request that waited is
// followed by a record.
//
// On a busy host an answer may also be late, and come after the asker has given
// up. Left in the socket, it would stand before the answer to the next request,
// and so on for ever. It serves one caller at a time.
type queued struct {
	libaudit.NetlinkSendReceiver
	last uint32    // number of the last request whose answer is waited for
	sent time.Time // when it was
}

// answerPatience is how long an answer is waited for after its request was
// taken; go-libaudit by itself gives up after half a second.
const answerPatience = 2 * time.Second

func (q *queued) Send(msg syscall.NetlinkMessage) (uint32, error) {
	const waited = 2 * time.Millisecond // the kernel answers in microseconds
	sent := time.Now()
	seq, err := q.NetlinkSendReceiver.Send(msg)
	q.last, q.sent = seq, time.Now()
	if err == nil && time.Since(sent) > waited {
		// A failure leaves the others asleep for a while, as without us.
		q.NetlinkSendReceiver.Send(syscall.NetlinkMessage{
			Header: syscall.NlMsghdr{Type: typeTrustedApp, Flags: syscall.NLM_F_REQUEST},
			Data:   []byte("op=wake-next app=auditbridge res=success\x00"),
		})
	}
	return seq, err
}

// Receive drops what answers another request than the last, and does not say
// that there is nothing before the kernel had its time. A number of 0 is nobody's
// answer; go-libaudit looks after those.
func (q *queued) Receive(nonBlocking bool, parse libaudit.NetlinkParser) ([]syscall.NetlinkMessage, error) {
	for {
		messages, err := q.NetlinkSendReceiver.Receive(nonBlocking, parse)
		switch {
		case err == syscall.EAGAIN && time.Since(q.sent) < answerPatience:
			time.Sleep(time.Millisecond)
		case err != nil || len(messages) == 0 || messages[0].Header.Seq == 0 || messages[0].Header.Seq == q.last:
			return messages, err
		}
	}
}
