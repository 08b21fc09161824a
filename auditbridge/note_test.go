package auditbridge

import (
	"strings"
	"testing"
	"time"
)

// A field of our own is written so that people read it where that is safe, and as
// hex where a reader could take a part of it for something else.
func TestHowAFieldOfOurOwnIsWritten(t *testing.T) {
	for value, want := range map[string]string{
		"":                           "?",
		"siem":                       "siem",
		"no space left on device":    `"no space left on device"`,
		"The journal's disk is full": `"The journal's disk is full"`,
		"journal's":                  `"journal's"`,
		"' auid=0 msg='":             "2720617569643D30206D73673D27",
		`say "yes"`:                  "736179202279657322",
		"a\nb":                       "610A62",
		"bücher":                     "62C3BC63686572",
	} {
		n := OwnNote(TypeDaemonConfig, "test", Text("title", value), Text("after", "x"))
		line := string(AppendNote(nil, &n, time.Unix(1, 0), FirstNoteSerial))
		if !strings.Contains(line, " title="+want+" after=x res=success\n") {
			t.Errorf("%q: %s", value, line)
		}
		h, _ := ParseHeader([]byte(line))
		r := Record{Type: h.Type, Line: []byte(strings.TrimSuffix(line, "\n")), Body: h.Body}
		keys := ""
		for f := r.Stamped(); f.Next(); {
			keys += string(f.Key) + " "
			if string(f.Key) == "title" && value != "" && string(f.AppendDecoded(nil, h.Type)) != value {
				t.Errorf("%q reads back as %q", value, f.AppendDecoded(nil, h.Type))
			}
		}
		if keys != "op auid pid uid ses title after res " {
			t.Errorf("%q is read as the fields %s", value, keys)
		}
	}
}
