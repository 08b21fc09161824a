package logfile

import (
	"bufio"
	"bytes"
	"compress/bzip2"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/gzip"
	"github.com/klauspost/compress/zstd"
)

// maxWindow bounds the memory that a zstd file may ask for. Levels up to 19 ask
// for 8 MiB.
const maxWindow = 16 << 20

// sniffed is how much is read ahead to find out what something is: where a pipe
// gives less at once, that has to do.
const sniffed = 512

// decode goes by the first bytes, not by a name: what is compressed is
// decompressed, UTF-16 becomes UTF-8, all else stands. release ends it.
func decode(raw io.Reader) (r io.Reader, release func(), err error) {
	release = func() {}
	for layers := 0; ; layers++ {
		head := make([]byte, sniffed)
		n, err := io.ReadAtLeast(raw, head, 8) // the longest magic number of those at the start
		head = head[:n]
		switch {
		case err == nil, err == io.EOF, err == io.ErrUnexpectedEOF:
		case n == 0:
			return nil, release, err
		default: // at the end of what there was
			raw = failed{err}
		}
		r := io.MultiReader(bytes.NewReader(head), raw)
		switch {
		case layers < 2 && bytes.HasPrefix(head, []byte{0x1f, 0x8b}):
			z, err := gzip.NewReader(bufio.NewReaderSize(r, 64<<10)) // further members follow by themselves
			if err != nil {
				return nil, release, archiveError(err)
			}
			raw = archive{z}
		case layers < 2 && isZstd(head):
			z, err := zstd.NewReader(r, zstd.WithDecoderConcurrency(1), zstd.WithDecoderLowmem(true), zstd.WithDecoderMaxWindow(maxWindow))
			if err != nil {
				return nil, release, archiveError(err)
			}
			inner := release
			release = func() { z.Close(); inner() }
			raw = archive{z}
		case layers < 2 && bytes.HasPrefix(head, []byte("BZh")) && n > 4 && head[4] == '1':
			raw = archive{bzip2.NewReader(bufio.NewReaderSize(r, 64<<10))}
		case bytes.HasPrefix(head, []byte{0xff, 0xfe}):
			return &utf16{r: r, low: 0, high: 1}, release, nil
		case bytes.HasPrefix(head, []byte{0xfe, 0xff}):
			return &utf16{r: r, low: 1, high: 0}, release, nil
		default:
			return r, release, known(head)
		}
	}
}

// failed is a reader of which only its error is left.
type failed struct{ err error }

func (f failed) Read([]byte) (int, error) { return 0, f.err }

// isZstd knows a frame and a skippable one (RFC 8878 section 3.1).
func isZstd(head []byte) bool {
	if bytes.HasPrefix(head, []byte{0x28, 0xb5, 0x2f, 0xfd}) {
		return true
	}
	return len(head) >= 4 && head[0]&0xf0 == 0x50 && bytes.Equal(head[1:4], []byte{0x2a, 0x4d, 0x18})
}

// archive says of an error that it is the archive's.
type archive struct{ io.Reader }

func (a archive) Read(b []byte) (int, error) {
	n, err := a.Reader.Read(b)
	if err != nil && err != io.EOF {
		err = archiveError(err)
	}
	return n, err
}

func archiveError(err error) error {
	switch {
	case errors.Is(err, io.ErrUnexpectedEOF):
		return fmt.Errorf("the compressed data ends early; what was there has been read: %w", io.ErrUnexpectedEOF)
	case errors.Is(err, zstd.ErrWindowSizeExceeded), errors.Is(err, zstd.ErrDecoderSizeExceeded):
		return &foreign{fmt.Sprintf("needs more than %d MiB of memory to decompress", maxWindow>>20), "zstd -dc --long=31 %s | auditbridge read"}
	}
	return fmt.Errorf("the compressed data is damaged: %w", err)
}

// foreign is something that another program can turn into a log.
type foreign struct{ what, way string }

func (f *foreign) Error() string { return f.what }

// formats are what people have at hand and call a log.
var formats = []struct {
	at    int
	magic string
	foreign
}{
	{0, "LPKSHHRH", foreign{"a binary journal of systemd", "journalctl -o short-unix --file %s | auditbridge read"}},
	{0, "\xfd7zXZ\x00", foreign{"compressed by xz, which is not read here", "xz -dc %s | auditbridge read"}},
	{0, "\x04\x22\x4d\x18", foreign{"compressed by lz4, which is not read here", "lz4 -dc %s | auditbridge read"}},
	{0, "PK\x03\x04", foreign{"a zip archive", "unzip -p %s | auditbridge read"}},
	{257, "ustar", foreign{"a tar archive", "tar -xOf %s | auditbridge read"}},
}

func known(head []byte) error {
	for i := range formats {
		f := &formats[i]
		if len(head) > f.at && bytes.HasPrefix(head[f.at:], []byte(f.magic)) {
			return &f.foreign
		}
	}
	return nil
}

// shellWord quotes a name for a command that a user may paste.
func shellWord(s string) string {
	if s != "" && strings.Trim(s, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789/._-+,:@") == "" && s[0] != '-' {
		return s
	}
	return "'" + strings.ReplaceAll(s, "'", `'\''`) + "'"
}
