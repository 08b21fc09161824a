package logfile

import (
	"bytes"
	"compress/gzip"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"syscall"
	"testing"
	"testing/iotest"
	stdutf16 "unicode/utf16"
	"unicode/utf8"

	"github.com/klauspost/compress/zstd"
)

func TestFilesOfOneLogAreReadOldestFirst(t *testing.T) {
	for _, row := range []struct {
		name        string
		there, args string // in one directory; "." is the directory itself
		want        string
	}{
		{"a glob", "audit.log audit.log.1 audit.log.10 audit.log.2", "audit.log audit.log.1 audit.log.10 audit.log.2", "audit.log.10 audit.log.2 audit.log.1 audit.log"},
		{"compressed ones among them", "audit.log audit.log.1 audit.log.2.gz audit.log.3.zst", "audit.log audit.log.1 audit.log.2.gz audit.log.3.zst", "audit.log.3.zst audit.log.2.gz audit.log.1 audit.log"},
		{"two logs keep their places", "b.log a.log.1 b.log.1 a.log", "b.log a.log a.log.1 b.log.1", "b.log.1 b.log a.log.1 a.log"},
		{"dates", "audit.log audit.log-20240306 audit.log-20240213.gz", "audit.log audit.log-20240306 audit.log-20240213.gz", "audit.log-20240213.gz audit.log-20240306 audit.log"},
		{"dates behind a dot", "audit.log audit.log.20240306 audit.log.2024-02-13.gz", ".", "audit.log.2024-02-13.gz audit.log.20240306 audit.log"},
		{"the same file twice", "audit.log", "audit.log audit.log", "audit.log"},
		{"a directory", "audit.log audit.log.1 audit.log.2 audit.log.10 notes.txt other.log", ".", "audit.log.10 audit.log.2 audit.log.1 audit.log"},
		{"a directory and a file of it", "audit.log audit.log.1", ". audit.log", "audit.log.1 audit.log"},
		{"while one is being compressed", "audit.log audit.log.1 audit.log.1.gz audit.log.2.gz", ".", "audit.log.2.gz audit.log.1 audit.log"},
		{"a directory of other names", "web-audit.log web-audit.log.1 audit.db.log kern.log", ".", "audit.db.log web-audit.log.1 web-audit.log"},
		{"a journal", "00000000000000000001.log 00000000000000004711.log audit.log->00000000000000004711.log audit.log.1->00000000000000000001.log next mark", ".", "00000000000000000001.log 00000000000000004711.log"},
		{"a journal beside auditd's own log", "00000000000000000001.log audit.log audit.log.1", ".", "audit.log.1 audit.log 00000000000000000001.log"},
		{"a journal in its usual place", "auditbridge/00000000000000000001.log", ".", "auditbridge/00000000000000000001.log"},
		{"a link to elsewhere", "audit.log->elsewhere elsewhere", ".", "audit.log"},
	} {
		t.Run(row.name, func(t *testing.T) {
			t.Chdir(t.TempDir())
			for _, file := range strings.Fields(row.there) {
				os.MkdirAll(filepath.Dir(file), 0o700)
				link, target, isLink := strings.Cut(file, "->")
				err := os.WriteFile(file, []byte(file), 0o600)
				if isLink {
					os.Remove(file)
					err = os.Symlink(target, link)
				}
				if err != nil {
					t.Fatal(err)
				}
			}
			inputs, problems := Find(strings.Fields(row.args), nil)
			var got []string
			for _, in := range inputs {
				got = append(got, in.Name)
				in.Close()
			}
			if want := strings.Fields(row.want); !slices.Equal(got, want) || len(problems) > 0 {
				t.Errorf("%q %v, want %q", got, problems, want)
			}
		})
	}
}

func TestWhatCannotBeReadIsAProblemAndTheRestIsRead(t *testing.T) {
	t.Chdir(t.TempDir())
	os.WriteFile("good.log", []byte("good"), 0o600)
	os.Mkdir("empty", 0o700)
	os.Mkdir("dangling", 0o700)
	os.Symlink("nowhere", "dangling/audit.log")
	os.Mkdir("endless", 0o700)
	os.Symlink("/dev/zero", "endless/audit.log")
	os.WriteFile("endless/audit.log.1", []byte("end"), 0o600)
	syscall.Mkfifo("endless/audit.log.2", 0o600)
	inputs, problems := Find([]string{"gone.log", "empty", "dangling", "endless", "good.log", "-"}, strings.NewReader("in"))
	var got []string
	for _, in := range inputs {
		r, err := in.Open()
		if err != nil {
			t.Fatal(err)
		}
		text, _ := io.ReadAll(r)
		r.Close()
		got = append(got, in.Name+": "+string(text))
	}
	if want := []string{"endless/audit.log.1: end", "good.log: good", "standard input: in"}; !slices.Equal(got, want) {
		t.Errorf("%q, want %q", got, want)
	}
	text := fmt.Sprint(errors.Join(problems...))
	want := "endless/audit.log: a pipe, a socket or a device among the logs of a directory; name it to have it read\nendless/audit.log.2: a pipe, a socket or a device\ngone.log: no such file or directory\nempty: a directory without audit logs: no audit.log, no journal, nothing called *audit*.log\ndangling/audit.log: no such file or directory"
	for _, line := range strings.Split(want, "\n") {
		if !strings.Contains(text, line) {
			t.Errorf("%q lacks %q", text, line)
		}
	}
}

func TestAFileStaysReadableWhenItIsRotatedAway(t *testing.T) {
	t.Chdir(t.TempDir())
	os.WriteFile("audit.log.1", []byte("old"), 0o600)
	inputs, _ := Find([]string{"."}, nil)
	inputs = append(inputs, mustFind(t, "audit.log.1")...)
	os.Remove("audit.log.1")
	for _, in := range inputs {
		r, err := in.Open()
		if err != nil {
			t.Fatal(err)
		}
		if text, err := io.ReadAll(r); err != nil || string(text) != "old" {
			t.Errorf("%q, %v", text, err)
		}
		r.Close()
	}
}

func TestAPipeIsReadAsItComes(t *testing.T) {
	t.Chdir(t.TempDir())
	if err := syscall.Mkfifo("pipe", 0o600); err != nil {
		t.Fatal(err)
	}
	in := mustFind(t, "pipe")[0]
	go func() {
		w, err := os.OpenFile("pipe", os.O_WRONLY, 0)
		if err != nil {
			t.Error(err)
			return
		}
		defer w.Close()
		io.WriteString(w, "first line\n") // and no more is needed for it to arrive
	}()
	r, err := in.Open()
	if err != nil {
		t.Fatal(err)
	}
	defer r.Close()
	b := make([]byte, 100)
	if n, err := r.Read(b); err != nil || string(b[:n]) != "first line\n" {
		t.Errorf("%q, %v", b[:n], err)
	}
}

func mustFind(t *testing.T, path string) []*Input {
	t.Helper()
	inputs, problems := Find([]string{path}, nil)
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	return inputs
}

// read returns what the input with these bytes says, however they come.
func read(t *testing.T, data []byte) (string, error) {
	t.Helper()
	whole, err := readFrom(bytes.NewReader(data))
	slowly, slowErr := readFrom(iotest.OneByteReader(bytes.NewReader(data)))
	if whole != slowly || fmt.Sprint(err) != fmt.Sprint(slowErr) {
		t.Errorf("whole %.100q, %v; byte by byte %.100q, %v", whole, err, slowly, slowErr)
	}
	return whole, err
}

func readFrom(from io.Reader) (string, error) {
	in := &Input{Name: "x.log", from: from}
	r, err := in.Open()
	if err != nil {
		return "", err
	}
	defer r.Close()
	text, err := io.ReadAll(r)
	return string(text), err
}

func gzipped(text string) []byte {
	var b bytes.Buffer
	w := gzip.NewWriter(&b)
	io.WriteString(w, text)
	w.Close()
	return b.Bytes()
}

func zstandard(t *testing.T, text string) []byte {
	w, err := zstd.NewWriter(nil)
	if err != nil {
		t.Fatal(err)
	}
	defer w.Close()
	return w.EncodeAll([]byte(text), nil)
}

func utf16Of(text string, low, high int) []byte {
	var out []byte
	for _, r := range "\ufeff" + text {
		units := []rune{r}
		if r > 0xffff {
			units = []rune{0xd800 + (r-0x10000)>>10, 0xdc00 + (r-0x10000)&0x3ff}
		}
		for _, u := range units {
			pair := [2]byte{}
			pair[low], pair[high] = byte(u), byte(u>>8)
			out = append(out, pair[:]...)
		}
	}
	return out
}

func TestContentTellsTheFormat(t *testing.T) {
	text := strings.Repeat("type=EOE msg=audit(1.002:3): \n", 10_000)
	for _, row := range []struct {
		name string
		data []byte
		want string
	}{
		{"nothing", nil, ""},
		{"one byte", []byte("x"), "x"},
		{"plain", []byte(text), text},
		{"gzip", gzipped(text), text},
		{"gzip of nothing", gzipped(""), ""},
		{"several gzip members", slices.Concat(gzipped("a\n"), gzipped(text), gzipped("b")), "a\n" + text + "b"},
		{"zstd", zstandard(t, text), text},
		{"several zstd frames", slices.Concat(zstandard(t, "a\n"), zstandard(t, text)), "a\n" + text},
		{"a zstd frame to skip", slices.Concat([]byte{0x50, 0x2a, 0x4d, 0x18, 2, 0, 0, 0, 7, 7}, zstandard(t, text)), text},
		{"gzip in zstd", zstandard(t, string(gzipped(text))), text},
		{"UTF-16, little end first", utf16Of("grüße 🦉\n"+text, 0, 1), "grüße 🦉\n" + text},
		{"UTF-16, big end first", utf16Of("grüße 🦉\n"+text, 1, 0), "grüße 🦉\n" + text},
		{"UTF-16 in gzip", gzipped(string(utf16Of(text, 0, 1))), text},
		{"half a pair", append(utf16Of("a", 0, 1), 0x00, 0xd8, 'b', 0), "a\xed\xa0\x80b"},
		{"half a pair at the end", append(utf16Of("a", 0, 1), 0x00, 0xd8), "a\xed\xa0\x80"},
		{"half a character at the end", append(utf16Of("a", 0, 1), 0xff), "a\xff"},
		{"NULs", []byte("\x00\x00a\x00"), "\x00\x00a\x00"},
	} {
		t.Run(row.name, func(t *testing.T) {
			if got, err := read(t, row.data); got != row.want || err != nil {
				t.Errorf("%.100q, %v", got, err)
			}
		})
	}
	bz, err := os.ReadFile("testdata/two-lines.bz2")
	if err != nil {
		t.Fatal(err)
	}
	if got, err := read(t, bz); got != "one\ntwo\n" || err != nil {
		t.Errorf("bzip2: %q, %v", got, err)
	}
}

func TestATruncatedArchiveGivesWhatIsThere(t *testing.T) {
	var text strings.Builder
	for i := range 50_000 {
		fmt.Fprintf(&text, "type=EOE msg=audit(%d.002:%d): \n", i*7919%100_003, i)
	}
	for name, data := range map[string][]byte{"gzip": gzipped(text.String()), "zstd": zstandard(t, text.String())} {
		got, err := read(t, data[:len(data)*3/4])
		if err == nil || !errors.Is(err, io.ErrUnexpectedEOF) || !strings.Contains(err.Error(), "x.log: the compressed data ends early") {
			t.Errorf("%s: %v", name, err)
		}
		if len(got) < text.Len()/4 || !strings.HasPrefix(text.String(), got) {
			t.Errorf("%s: %d of %d bytes", name, len(got), text.Len())
		}
	}
	damaged := gzipped(text.String())
	damaged[len(damaged)-6] ^= 1 // its checksum
	if got, err := read(t, damaged); got != text.String() || err == nil || !strings.Contains(err.Error(), "damaged") {
		t.Errorf("%d bytes, %v", len(got), err)
	}
}

func TestWhatIsNoLogIsCalledByItsName(t *testing.T) {
	tar := make([]byte, 1024)
	copy(tar[257:], "ustar")
	for _, row := range []struct {
		data []byte
		want string
	}{
		{[]byte("LPKSHHRH0123456789"), "journalctl -o short-unix --file 'my log' | auditbridge read"},
		{[]byte("\xfd7zXZ\x00\x00\x04xxxx"), "xz -dc 'my log' | auditbridge read"},
		{[]byte("PK\x03\x04xxxxxxxx"), "unzip -p 'my log' | auditbridge read"},
		{tar, "tar -xOf 'my log' | auditbridge read"},
		{gzipped(string(tar)), "tar -xOf 'my log' | auditbridge read"},
	} {
		t.Chdir(t.TempDir())
		os.WriteFile("my log", row.data, 0o600)
		_, err := mustFind(t, "my log")[0].Open()
		var hinted interface{ Hint() string }
		if !errors.As(err, &hinted) || hinted.Hint() != row.want {
			t.Errorf("%v, want the hint %q", err, row.want)
		}
	}
}

type piece struct {
	text       string
	part, more bool
}

func cut(data []byte, sizes ...int) (got []piece) {
	var c Cutter
	take := func(line []byte, part, more bool) { got = append(got, piece{string(line), part, more}) }
	for i := 0; len(data) > 0; i++ {
		n := len(data)
		if len(sizes) > 0 {
			n = min(n, max(1, sizes[i%len(sizes)]))
		}
		c.Cut(data[:n], take)
		data = data[n:]
	}
	c.End(take)
	return got
}

func TestLinesAreCutWhateverPiecesTheyComeIn(t *testing.T) {
	long := strings.Repeat("l", MaxLine)
	for _, row := range []struct {
		name, in string
		want     []piece
	}{
		{"nothing", "", nil},
		{"lines", "a\n\nb\r\n", []piece{{"a", false, false}, {"", false, false}, {"b\r", false, false}}},
		{"no LF at the end", "a\nb", []piece{{"a", false, false}, {"b", false, false}}},
		{"the longest", long + "\nb\n", []piece{{long, false, false}, {"b", false, false}}},
		{"too long", long + "x\nb\n", []piece{{long, true, true}, {"x", true, false}, {"b", false, false}}},
		{"much too long", long + long + "\nb", []piece{{long, true, true}, {long, true, false}, {"b", false, false}}},
		{"too long at the end", long + "x", []piece{{long, true, true}, {"x", true, false}}},
	} {
		t.Run(row.name, func(t *testing.T) {
			for _, sizes := range [][]int{nil, {1}, {7, 4096}, {MaxLine}, {MaxLine + 1}} {
				if got := cut([]byte(row.in), sizes...); !slices.Equal(got, row.want) {
					t.Errorf("in pieces of %v: %.200s", sizes, fmt.Sprint(got))
				}
			}
		})
	}
}

// Whatever comes in, it can be put together again from what is handed over.
func FuzzCutter(f *testing.F) {
	f.Add([]byte("a\nb\n\n"), 3, 2)
	f.Fuzz(func(t *testing.T, data []byte, size, stretch int) {
		data = bytes.ReplaceAll(data, []byte("L"), bytes.Repeat([]byte{'l'}, MaxLine*min(max(stretch, 0), 3)/3))
		if len(data) > 1<<20 {
			return
		}
		var back []byte
		for _, p := range cut(data, size) {
			if len(p.text) > MaxLine {
				t.Fatalf("a line of %d bytes", len(p.text))
			}
			back = append(back, p.text...)
			if !p.more {
				back = append(back, '\n')
			}
		}
		if len(data) > 0 && data[len(data)-1] != '\n' {
			data = append(data, '\n')
		}
		if !bytes.Equal(back, data) {
			t.Fatalf("%.100q became %.100q", data, back)
		}
	})
}

// Whatever bytes come, there is an answer, and text in UTF-16 is what the
// standard library makes of it.
func FuzzDecode(f *testing.F) {
	f.Add(gzipped("a"))
	f.Add(utf16Of("grüße 🦉", 0, 1))
	f.Add(utf16Of("x", 1, 0))
	f.Add([]byte{0x28, 0xb5, 0x2f, 0xfd, 0, 0})
	f.Add([]byte("BZh91AY&SY"))
	f.Fuzz(func(t *testing.T, data []byte) {
		r, release, err := decode(bytes.NewReader(data))
		defer release()
		if err != nil {
			return
		}
		text, err := io.ReadAll(io.LimitReader(r, 1<<20))
		little := bytes.HasPrefix(data, []byte{0xff, 0xfe})
		if err != nil || len(data)%2 != 0 || !little && !bytes.HasPrefix(data, []byte{0xfe, 0xff}) {
			return
		}
		var units []uint16
		for i := 2; i < len(data); i += 2 {
			u := uint16(data[i+1])<<8 | uint16(data[i])
			if !little {
				u = u<<8 | u>>8
			}
			units = append(units, u)
		}
		if want := string(stdutf16.Decode(units)); utf8.Valid(text) && string(text) != want {
			t.Errorf("%q, want %q", text, want)
		}
	})
}
