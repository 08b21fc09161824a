package terminal

import (
	"io"
	"unicode/utf8"
)

// Writer shows what is written to it as SafeLines does, in whatever pieces it
// comes.
type Writer struct {
	out  io.Writer
	held []byte // the beginning of a character whose rest is not written yet
}

// NewWriter returns a Writer to a terminal.
func NewWriter(out io.Writer) *Writer { return &Writer{out: out} }

// Write returns len(b), or 0 and the terminal's error.
func (w *Writer) Write(b []byte) (int, error) {
	text := append(w.held, b...)
	whole := wholeCharacters(text)
	_, err := io.WriteString(w.out, SafeLines(string(text[:whole])))
	w.held = append([]byte(nil), text[whole:]...)
	if err != nil {
		return 0, err
	}
	return len(b), nil
}

// Flush shows what is held back, byte by byte: its rest does not come.
func (w *Writer) Flush() error {
	text := SafeLines(string(w.held))
	w.held = nil
	_, err := io.WriteString(w.out, text)
	return err
}

// wholeCharacters returns how much of text is not the beginning of a character.
func wholeCharacters(text []byte) int {
	for n := 1; n < utf8.UTFMax && n <= len(text); n++ {
		if tail := text[len(text)-n:]; utf8.RuneStart(tail[0]) {
			if utf8.FullRune(tail) {
				break
			}
			return len(text) - n
		}
	}
	return len(text)
}
