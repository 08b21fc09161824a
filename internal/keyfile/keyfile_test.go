package keyfile

import (
	"os"
	"path/filepath"
	"testing"
)

// What counts is where a path leads, and every place on the way where it could
// be led elsewhere.
func TestDirectoriesOthersMayChange(t *testing.T) {
	base, err := filepath.EvalSymlinks(t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	must := func(err error) {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, dir := range []string{"safe/keys", "open/keys", "theirs/keys"} {
		must(os.MkdirAll(filepath.Join(base, dir), 0o755))
	}
	must(os.Chmod(filepath.Join(base, "open"), 0o777))
	must(os.Chown(filepath.Join(base, "theirs"), 12345, -1))
	for link, target := range map[string]string{
		"to-safe": "safe/keys", "to-open": filepath.Join(base, "open/keys"), "open/to-safe": "../safe/keys",
		"to-link": "open/to-safe", "to-theirs": "safe/../theirs/keys", "loop": "loop", "their-link": "safe/keys",
	} {
		must(os.Symlink(target, filepath.Join(base, link)))
	}
	must(os.Lchown(filepath.Join(base, "their-link"), 12345, -1))
	for path, want := range map[string]string{
		"safe/keys": "", "to-safe": "", "open/keys": "open", "to-open": "open", "to-open/.": "open", "open/to-safe": "open",
		"to-link": "open", "to-theirs": "theirs", "their-link": "their-link",
	} {
		if want != "" {
			want = filepath.Join(base, want)
		}
		if got, err := openToOthers(filepath.Join(base, path)); err != nil || got != want {
			t.Errorf("%s: %q, %v, want %q", path, got, err, want)
		}
	}
	if _, err := openToOthers(filepath.Join(base, "loop")); err == nil {
		t.Error("a loop of links has an end")
	}
}
