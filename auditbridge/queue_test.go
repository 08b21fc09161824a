package auditbridge

import (
	"encoding/binary"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/synctest"
	"time"

	"github.com/elastic/go-libaudit/v2"
	"golang.org/x/sys/unix"
)

// slowKernel answers each AUDIT_GET only after a delay, as a busy one may:
// first that the request is fine, then with a status in which lost is the
// request's number.
type slowKernel struct {
	delay   time.Duration
	asked   uint32
	records int // of type TRUSTED_APP that it was sent
	answers []slowAnswer
}

type slowAnswer struct {
	due     time.Time
	message syscall.NetlinkMessage
}

func (k *slowKernel) Send(msg syscall.NetlinkMessage) (uint32, error) {
	k.asked++
	if msg.Header.Type == typeTrustedApp {
		k.records++
		return k.asked, nil
	}
	status := make([]byte, 44)
	binary.NativeEndian.PutUint32(status[24:], k.asked)
	for _, m := range []syscall.NetlinkMessage{
		{Header: syscall.NlMsghdr{Type: unix.NLMSG_ERROR, Seq: k.asked}, Data: make([]byte, 4)},
		{Header: syscall.NlMsghdr{Type: libaudit.AuditGet, Seq: k.asked}, Data: status},
	} {
		k.answers = append(k.answers, slowAnswer{time.Now().Add(k.delay), m})
	}
	return k.asked, nil
}

func (k *slowKernel) SendNoWait(msg syscall.NetlinkMessage) (uint32, error) { return k.Send(msg) }
func (k *slowKernel) Close() error                                          { return nil }

func (k *slowKernel) Receive(bool, libaudit.NetlinkParser) ([]syscall.NetlinkMessage, error) {
	if len(k.answers) == 0 || time.Now().Before(k.answers[0].due) {
		return nil, syscall.EAGAIN
	}
	next := k.answers[0].message
	k.answers = slices.Delete(k.answers, 0, 1)
	return []syscall.NetlinkMessage{next}, nil
}

// An answer that comes too late costs the one question it belongs to, and is
// not taken for the answer to a later one.
func TestALateAnswerCostsOneQuestion(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		kernel := &slowKernel{delay: answerPatience / 2}
		c := &control{client: &libaudit.AuditClient{Netlink: &queued{NetlinkSendReceiver: kernel}}}
		if s, err := c.status(); err != nil || s.Lost != 1 {
			t.Errorf("a slow answer: %+v, %v", s, err)
		}
		kernel.delay = 2 * answerPatience
		for range 2 {
			if _, err := c.status(); err == nil || !strings.Contains(err.Error(), "no reply") {
				t.Fatalf("an answer that is not there yet: %v", err)
			}
		}
		kernel.delay = 0
		time.Sleep(2 * answerPatience) // both late answers are in the socket now
		for range 3 {
			if s, err := c.status(); err != nil || s.Lost != kernel.asked {
				t.Errorf("question %d was answered with that of %d, %v", kernel.asked, s.Lost, err)
			}
		}
	})
}
