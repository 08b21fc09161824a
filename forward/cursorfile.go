package forward

import (
	"fmt"
	"path/filepath"
	"strings"

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
