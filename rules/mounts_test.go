package rules

import "testing"

// Mounts hide each other: by their order, not by how deep they are.
func TestMountsAsTheWayMeetsThem(t *testing.T) {
	all := mounts{
		{"1", "0", "8:1", "/", "/"},
		{"2", "1", "8:2", "/", "/a/b"},
		{"3", "1", "8:3", "/part", "/a"}, // over both
		{"4", "3", "8:4", "/", "/a/c"},
		{"5", "4", "8:5", "/", "/a/c"}, // over that one
		{"6", "1", "8:1", "/e/file", "/f"},
	}
	for path, want := range map[string]string{
		"/": "8:1 /", "/x/y": "8:1 /x/y", "/ab": "8:1 /ab", "/a": "8:3 /part", "/a/b/x": "8:3 /part/b/x", "/a/c/x": "8:5 /x", "/f": "8:1 /e/file",
	} {
		if got := all.place(path); got != want {
			t.Errorf("%s: %q, want %q", path, got, want)
		}
	}
	if got := all[1:2].place("/x"); got != "" {
		t.Errorf("out of reach: %q", got)
	}
	for word, want := range map[string]string{`/a\040b\134c`: `/a b\c`, `/a"b`: `/a"b`, `/a\`: `/a\`} {
		if got := unescapeMount(word); got != want {
			t.Errorf("%s: %q, want %q", word, got, want)
		}
	}
}
