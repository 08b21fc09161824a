package unixsocket

import (
	"net"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// What a dead process left is replaced; what is not its socket stays as it is.
func TestWhatLiesInTheWay(t *testing.T) {
	for _, row := range []struct {
		name, word string // of the refusal; "" for none
		put        func(path string) error
	}{
		{"nothing", "", func(string) error { return nil }},
		{"a dead process's socket", "", func(path string) error { return leave(path) }},
		{"another user's", "another user's socket", func(path string) error {
			if err := leave(path); err != nil {
				return err
			}
			return os.Chown(path, 12345, -1)
		}},
		{"a living process's", "another process answers there", func(path string) error {
			l, err := net.Listen("unix", path)
			if err == nil {
				t.Cleanup(func() { l.Close() })
			}
			return err
		}},
		{"a file", "no socket", func(path string) error { return os.WriteFile(path, []byte("precious"), 0o600) }},
		{"a link to a file", "no socket", func(path string) error {
			if err := os.WriteFile(path+".file", []byte("precious"), 0o600); err != nil {
				return err
			}
			return os.Symlink(path+".file", path)
		}},
		{"a link to a dead socket", "no socket", func(path string) error {
			if err := leave(path + ".other"); err != nil {
				return err
			}
			return os.Symlink(path+".other", path)
		}},
		{"a directory", "no socket", func(path string) error { return os.Mkdir(path, 0o700) }},
	} {
		t.Run(row.name, func(t *testing.T) {
			path := filepath.Join(t.TempDir(), "s")
			if err := row.put(path); err != nil {
				t.Fatal(err)
			}
			before, _ := os.Lstat(path)
			l, err := Listen(path, 0o600, -1)
			if row.word == "" {
				if err != nil {
					t.Fatal(err)
				}
				l.Close()
				return
			}
			if err == nil || !strings.Contains(err.Error(), row.word) {
				t.Errorf("%v, want a refusal with %q", err, row.word)
			}
			if after, err := os.Lstat(path); err != nil || !os.SameFile(before, after) {
				t.Errorf("it is not there any more: %v", err)
			}
		})
	}
}

// leave makes a socket that nobody listens at.
func leave(path string) error {
	l, err := net.ListenUnix("unix", &net.UnixAddr{Name: path, Net: "unix"})
	if err != nil {
		return err
	}
	l.SetUnlinkOnClose(false)
	return l.Close()
}
