package journal

import (
	"fmt"
	"path/filepath"

	"auditbridge/internal/durable"
)

// ReadCursor reads the cursor file at path and changes nothing, for those who
// only want to know. ok is false when none was ever stored; the error wraps
// os.ErrNotExist when there is no such file.
func ReadCursor(path string) (c Cursor, ok bool, err error) {
	dir, err := durable.OpenDir(filepath.Dir(path), 0, -1)
	if err != nil {
		return c, false, fmt.Errorf("read cursor: %w", err)
	}
	defer dir.Close()
	state, err := durable.ReadSlots(dir, filepath.Base(path), cursorMagic, cursorVersion)
	if err != nil || state == nil {
		return c, false, err
	}
	if c, err = decodeCursor(state); err != nil {
		return c, false, fmt.Errorf("read cursor: %s: %w", path, err)
	}
	return c, true, nil
}
