package main

import (
	"encoding/json"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/forward"
	"auditbridge/forward/tlslink"
	"auditbridge/internal/durable"
	"auditbridge/internal/status"
)

// facts is what run knows of itself. It may be called from any goroutine.
func (d *daemon) facts() status.Status {
	kept, heard, space := d.journal.Stats(), d.ring.Stats(), d.guard.Space()
	s := status.Status{
		Running: true, Answering: true, Time: time.Now(), SignOfLife: d.journal.Mark().Heartbeat(),
		PID: os.Getpid(), Version: thisBuild().Version, Started: d.started,
		Source: d.cfg.Audit.Source, JournalDir: d.cfg.JournalDir,
		Recording:   status.Recording(kept.State.String()),
		Stored:      kept.Records,
		Gaps:        kept.Gaps, // whoever noted them: losses, the journal, retention
		Quarantined: kept.Quarantined, Damaged: kept.Damaged, NotesDropped: kept.NotesDropped,
		InRing:      heard.Received - heard.Written - heard.Discarded,
		InRingBytes: heard.Bytes,
		Refused:     kept.Refused + kept.Lost + heard.Refused - d.before.Refused,
		Received:    heard.Received - (d.before.Written + d.before.Discarded) + heard.Refused - d.before.Refused,

		Written: uint64(kept.Written), Durable: uint64(kept.Durable),
		Disk: status.Disk{
			Level: string(space.Level), Cause: string(space.Cause), FreeBytes: space.Free, UsedBytes: space.Used,
			FullIn: int64(space.FullIn.Seconds()), Action: string(space.Action), Banner: space.Banner, Flood: space.Flood,
		},
		Checkpoint: status.Checkpoint{Sequence: uint64(kept.LastSealed), Time: kept.SealedAt},
		Alarms:     d.alarms.active(),
	}
	s.RefusedFirst, s.RefusedLast = kept.RefusedFirst, kept.RefusedLast
	for kind, n := range d.ring.AllRefusedTypes() {
		if s.RefusedTypes == nil {
			s.RefusedTypes = map[string]uint64{}
		}
		name := "?" // a line that is no record
		if kind != 0 {
			name = auditbridge.RecordType(kind).String()
		}
		s.RefusedTypes[name] = n
	}
	if kept.LastSealed == 0 {
		s.Checkpoint.Time = time.Time{}
	}
	s.ClockHeld = d.keeper.Held()
	s.DeputyLost = d.deputy.Gone()
	if d.unconfined != nil {
		s.Unconfined = d.unconfined.Error()
	}
	d.losses.fill(&s)
	if from, ok := d.source.(interface{ Hearing() auditbridge.Hearing }); ok {
		s.Hear(from.Hearing().Since, from.Hearing().Err)
	}
	for _, o := range space.Orders {
		s.Disk.Orders = append(s.Disk.Orders, status.Order{Number: o.Number, Level: string(o.Level), Action: string(o.Action), Since: o.Since})
	}
	d.fillDestinations(&s)
	d.fillEntrances(&s)
	d.watched.fill(&s)
	if d.rules != nil {
		s.RulesDrift = int(d.rules.drift.Load())
	}
	s.Warnings = d.warnings.now(s.Kernel)
	return s
}

func (d *daemon) fillDestinations(s *status.Status) {
	s.Destinations = []status.Destination{}
	s.Ship = d.shipper.Running()
	all := d.shipper.Stats()
	settings := d.now.Load()
	for _, to := range settings.Servers {
		b := all[to.Name]
		s.Destinations = append(s.Destinations, status.Destination{
			Name: to.Name, Via: to.Via, Jumps: settings.Way(to.Via), Protocol: to.Protocol, Promise: string(forward.PromiseOf(to.Protocol)), Connected: b.Connected, Since: b.Since,
			Delivered: b.Delivered, Excluded: b.Excluded, Pending: b.Pending, Missed: b.Missed,
			Read: b.Read, LastError: b.LastError, Hint: b.Hint, Classes: b.Classes, Pieces: b.Pieces,
			TLS: secured(b.TLS), Skips: to.Skips(), Expiring: (*status.Certificate)(settings.Expiring(to.Name, b.TLS)),
		})
	}
}

func (d *daemon) fillEntrances(s *status.Status) {
	all := d.doors.Stats()
	settings := d.now.Load()
	for i := range settings.Forwardings {
		f := &settings.Forwardings[i]
		if !f.Listen {
			continue
		}
		b := all[f.Name]
		s.Entrances = append(s.Entrances, status.Entrance{
			Name: f.Name, At: f.Entrance(), For: f.Guests(), Jumps: settings.Way(f.Name), Listening: b.Listening, Connected: b.Connected, Since: b.Since,
			Open: b.Open, Most: int(f.ListenConnections), Carried: b.Carried, Refused: b.Refused, Cut: b.Cut, Sent: b.Sent, Received: b.Received,
			LastError: b.LastError, Hint: b.Hint,
		})
	}
}

// secured is what TLS agreed on, as status says it.
func secured(s *tlslink.Session) *status.TLS {
	if s == nil {
		return nil
	}
	return &status.TLS{Version: s.Version, Cipher: s.Cipher, Unchecked: s.Unchecked, Reason: s.Reason,
		Server: (*status.Certificate)(s.Server), Own: (*status.Certificate)(s.Own), Expiring: (*status.Certificate)(s.Expiring)}
}

// lastStatusFile holds run's last words: the books at its orderly end.
const lastStatusFile = "last-status.json"

func (d *daemon) leaveLastStatus(why string) {
	s := d.tracker.Now()
	d.log.Info("auditbridge ends", "why", why, "received", s.Received, "stored", s.Stored, "refused", s.Refused, "kernel-lost", s.KernelLost, "gaps", s.Gaps)
	text, err := json.Marshal(s)
	if err == nil {
		err = os.WriteFile(filepath.Join(d.cfg.RunDir, lastStatusFile), text, 0o600)
	}
	if err != nil {
		d.log.Warn("the last status is not kept", "err", err)
	}
}

// maxLastStatus bounds in bytes what is read of it.
const maxLastStatus = 1 << 20

// lastStatus reads the books as run left them at its orderly end.
func lastStatus(runDir string) (s status.Status, err error) {
	f, err := durable.OpenRegular(filepath.Join(runDir, lastStatusFile))
	if err == nil {
		defer f.Close()
		err = json.NewDecoder(io.LimitReader(f, maxLastStatus)).Decode(&s)
	}
	if err != nil {
		return s, fmt.Errorf("read the books that run left: %w", err)
	}
	return s, nil
}
