package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"

	"auditbridge/config"
	"auditbridge/internal/control"
	"auditbridge/internal/durable"
)

// placeKey puts a private key where the sender alone can read it. When we die here
// there is the old key or the new one, whole.
func placeKey(c *config.Config, path string, private []byte) error {
	dir, err := durable.OpenDir(filepath.Dir(path), 0o755, -1)
	if err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	defer dir.Close()
	next := "." + filepath.Base(path) + ".new"
	if err := durable.Create(dir, next, private, 0o600, -1); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	if uid, err := c.ShipUID(); err == nil && os.Geteuid() == 0 {
		if err := os.Lchown(filepath.Join(filepath.Dir(path), next), uid, -1); err != nil {
			return fmt.Errorf("make a key: %w", err)
		}
	}
	if err := durable.Rename(dir, next, filepath.Base(path)); err != nil {
		return fmt.Errorf("make a key: %w", err)
	}
	return nil
}

// takenOver has run put a changed key file on record at once, with who changed it;
// where nobody runs, the next start will.
func takenOver(ctx context.Context, c *config.Config) error {
	limited, cancel := context.WithTimeout(ctx, answerWait)
	defer cancel()
	var changes []config.Change
	err := question{what: askReload}.put(limited, c, &changes)
	if errors.Is(err, control.ErrNotRunning) {
		return nil
	}
	return err
}
