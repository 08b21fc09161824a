package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"strings"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/config"
	"auditbridge/diskguard"
	"auditbridge/forward"
	"auditbridge/internal/status"
	"auditbridge/journal"
	"auditbridge/seal"
)

// statusFromFiles is what the journal's mark, segments and cursors say when run
// does not. listening says that somebody has the control socket.
func statusFromFiles(c *config.Config, listening bool) (*status.Status, error) {
	s := &status.Status{JournalDir: c.JournalDir, Source: c.Audit.Source, Recording: status.RecordingOK, Running: listening}
	last, lastErr := lastStatus(c.RunDir)
	mark, err := journal.OpenMark(c.JournalDir)
	switch {
	case errors.Is(err, fs.ErrNotExist):
		return s, nil
	case errors.Is(err, fs.ErrPermission):
		return nil, withHint(err, "the journal is root's: use sudo")
	case err != nil:
		return nil, err
	}
	defer mark.Close()
	s.PID = mark.PID()
	if lastErr == nil && last.PID == s.PID && !listening { // these are the books of the process that wrote the journal last
		*s = last
		s.Running, s.Answering, s.Destinations, s.Disk, s.Kernel, s.Multicast = false, false, nil, status.Disk{}, nil, nil
		s.KernelPID, s.KernelOwner, s.KernelSilentSince = 0, "", time.Time{}
	}
	s.SignOfLife = mark.Heartbeat()
	s.Running = listening || isAuditbridge(s.PID)
	s.Durable, s.Written = uint64(mark.Durable()), uint64(mark.Written())
	s.Recording = status.Recording(mark.State().String())
	s.Refused = mark.Refused()
	fillDisk(s, c)
	for i := range c.Servers {
		s.Destinations = append(s.Destinations, destinationFromFile(c, &c.Servers[i], mark))
	}
	s.Checkpoint, err = lastCheckpoint(c.JournalDir, mark.Durable())
	return s, err
}

// isAuditbridge reports whether pid is alive and one of us: a pid comes again.
func isAuditbridge(pid int) bool {
	return processName(pid) == "auditbridge"
}

// fillOwner says who gets the kernel's records while run does not, or that it
// is not known. A kernel whose queue is full makes us wait longer than ctx.
func fillOwner(ctx context.Context, s *status.Status) {
	type answer struct {
		status auditbridge.Status
		err    error
	}
	asked := make(chan answer, 1)
	go func() {
		k, err := auditbridge.AskKernel()
		asked <- answer{k, err}
	}()
	var a answer
	select {
	case a = <-asked:
	case <-ctx.Done():
		a.err = ctx.Err()
	}
	var none auditbridge.NoAuditError
	switch pid := a.status.PID; {
	case errors.As(a.err, &none):
	case a.err != nil:
		s.KernelSilentSince = time.Now()
	case liveOwner(pid) != 0:
		s.KernelPID, s.KernelOwner = pid, processName(pid)
	}
}

func fillDisk(s *status.Status, c *config.Config) {
	names, err := filepath.Glob(filepath.Join(c.JournalDir, "[0-9]*.log"))
	if err != nil {
		return
	}
	for _, name := range names {
		if info, err := os.Lstat(name); err == nil && info.Mode().IsRegular() {
			s.Disk.UsedBytes += info.Size()
		}
	}
	disk, room := c.Disk(), diskguard.RoomAt(c.JournalDir, s.Disk.UsedBytes)
	s.Disk.FreeBytes = disk.Free(room)
	s.Disk.Level = string(disk.LevelOf(room, journalState(s.Recording)))
}

// journalState is the journal's word for what status says of recording.
func journalState(r status.Recording) journal.State {
	switch r {
	case status.RecordingFull:
		return journal.StateFull
	case status.RecordingFailed:
		return journal.StateFailed
	}
	return journal.StateOK
}

func destinationFromFile(c *config.Config, server *config.Server, mark *journal.Mark) status.Destination {
	d := status.Destination{Name: server.Name, Via: server.Via, Jumps: c.Way(server.Via), Protocol: server.Protocol, Promise: string(forward.PromiseOf(server.Protocol))}
	cursor, known, err := journal.ReadCursor(forward.CursorFile(c.StateDir, server.Name))
	switch {
	case err != nil && !errors.Is(err, fs.ErrNotExist):
		d.LastError = err.Error()
	case known && cursor.Journal == mark.Journal():
		d.Delivered, d.Excluded = cursor.Delivered, cursor.Excluded
		d.Pending = cursor.Waiting + uint64(max(mark.Durable(), cursor.At)-cursor.At)
		d.Missed = cursor.Missed
		if oldest, err := journal.Oldest(c.JournalDir); err == nil {
			gone := min(cursor.Gone(oldest), d.Pending)
			d.Missed, d.Pending = d.Missed+gone, d.Pending-gone
		}
	}
	return d
}

// lookBack is how far from the end a checkpoint is looked for, in records; one
// is due 60 s after the first record it does not cover.
const lookBack = 100_000

// lastCheckpoint finds the last signed block line up to the durable mark. What
// does not read is left to verify: status says what is known.
func lastCheckpoint(dir string, durable auditbridge.Sequence) (status.Checkpoint, error) {
	var last status.Checkpoint
	r, err := journal.OpenReader(dir, max(durable, lookBack)-lookBack, journal.ReaderOptions{})
	if err != nil {
		return last, err
	}
	defer r.Close()
	for {
		at, line, err := r.Next()
		var damaged *journal.CorruptionError
		if errors.Is(err, io.EOF) || errors.As(err, &damaged) {
			return last, nil
		}
		if err != nil {
			return last, err
		}
		if !seal.LooksLikeBlock(line) {
			continue
		}
		if b, err := seal.ParseBlock(line); err == nil && len(b.Sig) > 0 && b.Sequence() == at {
			last = status.Checkpoint{Sequence: uint64(at), Time: b.At}
		}
	}
}

// processName is what a process calls itself; empty when that cannot be told.
func processName(pid int) string {
	name, err := os.ReadFile(fmt.Sprintf("/proc/%d/comm", pid))
	if err != nil {
		return ""
	}
	return strings.TrimSpace(string(name))
}
