package watch

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"time"

	"auditbridge/internal/control"
	"auditbridge/internal/durable"
	"auditbridge/internal/status"
)

// AskReport is what run is told every second, and answers with a status.Status:
// args are a Report.
const AskReport = "watch"

const (
	answerTime = 300 * time.Millisecond // that a look waits for run's answer
	lateTime   = 100 * time.Millisecond // the same where it is overdue
	askTime    = 5 * time.Second        // after which run is asked anew
)

// runLook looks at the process that records.
type runLook struct {
	process process // as last seen; pid 0 when it never was
	asked   *asking // what it was asked and has not answered
	effort  effort  // at the last look
	held    bool    // by others, since the one before
}

// asking is a look's question to run; its answer may come at a later look.
type asking struct {
	of      process
	entries []Entry // that run hears of by it
	answer  chan runAnswer
}

type runAnswer struct {
	status *status.Status
	err    error
}

// look finds run, tells it how we see it, and hears how it sees itself. recorded is
// what it has put on record.
func (l *runLook) look(ctx context.Context, socket string, report *Report) (r Run, recorded []Entry) {
	l.find(ctx, socket)
	if r.PID, r.Life = l.process.pid, Never; r.PID != 0 {
		r.Life = l.process.life()
	}
	if r.Life != Alive {
		l.asked = nil
		return r, nil
	}
	wait := lateTime
	if l.asked == nil || l.asked.of != l.process {
		l.asked, wait = ask(ctx, socket, l.process, report), answerTime
	}
	answer, came := comes(l.asked.answer, wait)
	before := l.effort
	l.effort = effortOf(r.PID, time.Now())
	l.held = l.effort.held(&before)
	if !came {
		r.Busy = l.held
		return r, nil
	}
	entries := l.asked.entries
	l.asked = nil
	if r.Status = answer.status; answer.err != nil {
		r.Status = nil
		r.Begins = errors.Is(answer.err, control.ErrNotRunning)
		r.Busy = l.held || r.Begins && l.effort.works(&before)
		return r, nil
	}
	r.Busy = l.held
	return r, entries
}

// find finds out who run is when we do not know any that is there.
func (l *runLook) find(ctx context.Context, socket string) {
	if l.process.pid != 0 && l.process.life() != Gone {
		return
	}
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	if who, err := control.Who(limited, socket); err == nil {
		l.process = theProcess(who.PID)
	}
}

// ask asks run in the background.
func ask(ctx context.Context, socket string, of process, report *Report) *asking {
	a := &asking{of, report.Entries, make(chan runAnswer, 1)}
	go func() {
		limited, cancel := context.WithTimeout(ctx, askTime)
		defer cancel()
		var s status.Status
		err := control.Ask(limited, socket, AskReport, report, &s)
		a.answer <- runAnswer{&s, err}
	}()
	return a
}

// comes waits for what c brings, as long as d by our own turns: where the machine is
// so busy that these come late, so may whoever we wait for.
func comes[T any](c <-chan T, d time.Duration) (what T, came bool) {
	const turn = 20 * time.Millisecond
	for range d / turn {
		select {
		case what = <-c:
			return what, true
		case <-time.After(turn):
		}
	}
	return what, false
}

// Failure is what run leaves when it ends with an error, for us to find.
type Failure struct {
	At    time.Time `json:"at"`
	PID   int       `json:"pid"`
	Error string    `json:"error"`
}

const (
	failureFile = "failed.json" // in run-dir
	mostFailure = 64 << 10
)

// Leave leaves it in run-dir.
func (f *Failure) Leave(runDir string) error {
	return durable.Leave(runDir, 0o755, failureFile, f)
}

// ForgetFailure says that run has begun.
func ForgetFailure(runDir string) error {
	err := os.Remove(filepath.Join(runDir, failureFile))
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}

// failure is what the last run that failed said; "" when none did since the last
// one that began.
func failure(runDir string) string {
	var f Failure
	if err := durable.Left(runDir, failureFile, mostFailure, &f); err != nil {
		return ""
	}
	return f.Error
}
