package forward

import "path/filepath"

// CursorFile is the path of a destination's cursor in state-dir, for those who
// read it while run does not answer.
func CursorFile(stateDir, destination string) string {
	return filepath.Join(stateDir, cursorName(destination))
}
