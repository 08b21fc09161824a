package watch

import (
	"context"
	"encoding/json"
	"errors"
	"io"
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

// answerTime is how long run may take to answer a look.
const answerTime = 800 * time.Millisecond

// runLook looks at the process that records.
type runLook struct {
	process process // as last seen; pid 0 when it never was
}

// look finds run, tells it how we see it, and hears how it sees itself.
func (l *runLook) look(ctx context.Context, socket string, report *Report) (r Run, heard bool) {
	limited, cancel := context.WithTimeout(ctx, answerTime)
	defer cancel()
	r.Life = Never
	if l.process.pid != 0 {
		r.Life = l.process.life()
	}
	if r.Life == Never || r.Life == Gone {
		if who, err := control.Who(limited, socket); err == nil {
			l.process = theProcess(who.PID)
			r.Life = l.process.life()
		}
	}
	r.PID = l.process.pid
	if r.Life != Alive {
		return r, false
	}
	var s status.Status
	if err := control.Ask(limited, socket, AskReport, report, &s); err != nil {
		return r, false
	}
	r.Status = &s
	return r, true
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
	text, err := json.Marshal(f)
	if err != nil {
		return err
	}
	dir, err := durable.OpenDir(runDir, 0o755, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	return durable.Create(dir, failureFile, text, 0o600, -1)
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
	dir, err := durable.OpenDir(runDir, 0, -1)
	if err != nil {
		return ""
	}
	defer dir.Close()
	file, err := dir.Open(failureFile, os.O_RDONLY, 0)
	if err != nil {
		return ""
	}
	defer file.Close()
	text := make([]byte, mostFailure)
	n, err := file.ReadAt(text, 0)
	if err != nil && !errors.Is(err, io.EOF) {
		return ""
	}
	var f Failure
	if json.Unmarshal(text[:n], &f) != nil {
		return ""
	}
	return f.Error
}
