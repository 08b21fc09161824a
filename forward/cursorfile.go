package forward

import (
	"context"
	"fmt"
	"net/url"
	"path/filepath"
	"strings"

	"auditbridge/auditbridge"
	"auditbridge/internal/durable"
	"auditbridge/journal"
)

// CursorFile is the path of a destination's cursor in state-dir, for those who
// read it while run does not answer.
func CursorFile(stateDir, destination string) string {
	return filepath.Join(stateDir, cursorName(destination))
}

// cursorName is the name of a destination's cursor file: the destination's,
// with %XX for what has no place in a file name.
func cursorName(destination string) string {
	var name strings.Builder
	name.WriteString("relay-")
	for _, c := range []byte(destination) {
		plain := 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || c == '-' || c == '_' || c == '.'
		if plain {
			name.WriteByte(c)
		} else {
			fmt.Fprintf(&name, "%%%02X", c)
		}
	}
	return name.String() + journal.CursorSuffix
}

// forgetRemoved removes the cursors of destinations that are configured no more.
func (s *Shipper) forgetRemoved(ctx context.Context) error {
	dir, err := durable.OpenDir(s.cfg.StateDir, 0, -1)
	if err != nil {
		return err
	}
	defer dir.Close()
	names, err := dir.Names()
	if err != nil {
		return err
	}
	for _, name := range names {
		destination, is := destinationOf(name)
		if _, configured := s.relays[destination]; !is || configured {
			continue
		}
		if err := s.forget(ctx, dir, name); err != nil {
			return err
		}
	}
	return nil
}

// forget removes a destination's cursor: if it comes back it begins anew. First it is on
// record, durably, which also is a sequence beyond all that the cursor has reached; if we
// die in between the next start says it again.
func (s *Shipper) forget(ctx context.Context, dir durable.Dir, file string) error {
	destination, _ := destinationOf(file)
	n, err := s.removedNote(destination, filepath.Join(s.cfg.StateDir, file))
	if err == nil {
		err = s.cfg.Record(ctx, n)
	}
	if err == nil {
		err = durable.Remove(dir, sessionName(destination))
	}
	if err == nil {
		err = dir.Remove(file)
	}
	if err != nil {
		return fmt.Errorf("forget the removed destination %q: %w", destination, err)
	}
	return nil
}

// removedNote says how far a removed destination had come.
func (s *Shipper) removedNote(destination, path string) (n auditbridge.Note, err error) {
	file, err := journal.OpenCursor(path)
	if err != nil {
		return n, err
	}
	defer file.Close()
	c, _ := file.Load()
	n = auditbridge.OwnNote(auditbridge.TypeDaemonConfig, "cursor-removed", auditbridge.Text("relay", short(destination)), auditbridge.Number("at", c.At))
	if end := s.cfg.Durable(); c.Journal == s.cfg.Journal && end > c.At {
		n.Fields = append(n.Fields, auditbridge.Number("undelivered", end-c.At))
	}
	return n, nil
}

// destinationOf is the inverse of cursorName.
func destinationOf(file string) (name string, ok bool) {
	name, isCursor := strings.CutSuffix(file, journal.CursorSuffix)
	name, isRelay := strings.CutPrefix(name, "relay-")
	name, err := url.PathUnescape(name)
	return name, isCursor && isRelay && err == nil
}
