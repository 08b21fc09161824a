//go:build corpora

package main

import (
	"bytes"
	"encoding/json"
	"io/fs"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"
)

// TestReadCorpora gives every file of AUDITBRIDGE_CORPORA to read: as it is it
// comes back byte for byte; cut off at any byte, with long lines, NULs, UTF-16 in
// the middle, doubled, or all of it shuffled, as many lines come out of each format as went
// in, and whatever is no record is warned of.
func TestReadCorpora(t *testing.T) {
	root := os.Getenv("AUDITBRIDGE_CORPORA")
	if root == "" {
		t.Fatal("AUDITBRIDGE_CORPORA does not name the collection")
	}
	files := 0
	err := filepath.WalkDir(root, func(path string, entry fs.DirEntry, err error) error {
		if err != nil || entry.IsDir() {
			return err
		}
		name, _ := filepath.Rel(root, path)
		files++
		t.Run(name, func(t *testing.T) {
			data, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			random := rand.New(rand.NewPCG(2, uint64(len(data))))
			if got, _ := readBytes(t, data, readFlags{output: "audit"}); !bytes.Equal(got, data) {
				t.Errorf("%d bytes came back as %d others", len(data), len(got))
			}
			checkLines(t, data)
			if len(data) > 0 {
				checkLines(t, data[:random.IntN(len(data))])
				checkLines(t, data[random.IntN(len(data)):])
			}
			checkTwoHosts(t, data)
			lines := bytes.SplitAfter(data, []byte("\n"))
			checkLines(t, bytes.Join(slices.Concat(lines, lines), nil)) // all of it twice
			random.Shuffle(len(lines), func(i, j int) { lines[i], lines[j] = lines[j], lines[i] })
			checkLines(t, bytes.Join(lines, []byte("\x00\x00")))
			checkLines(t, bytes.Replace(data, []byte("pid=1"), bytes.Repeat([]byte("long "), 20_000), 3))
		})
		return nil
	})
	if err != nil || files == 0 {
		t.Fatalf("%d files under %s: %v", files, root, err)
	}
}

// checkLines counts what comes out against what goes in.
func checkLines(t *testing.T, data []byte) {
	t.Helper()
	lines, unparsed := 0, 0
	for line := range bytes.SplitSeq(data, []byte("\n")) {
		if lines += (len(line) + 64<<10 - 1) / (64 << 10); len(line) > 64<<10 { // pieces
			unparsed++
		}
	}
	out, said := readBytes(t, data, readFlags{output: "json"})
	records := 0
	for text := range bytes.Lines(out) {
		var event struct{ Records []struct{ Line *string } }
		if err := json.Unmarshal(text, &event); err != nil {
			t.Fatalf("%v: %.200s", err, text)
		}
		records += len(event.Records)
		for _, r := range event.Records {
			if r.Line != nil {
				unparsed++
			}
		}
	}
	if records != lines {
		t.Errorf("%d of %d lines came out", records, lines)
	}
	if warned := strings.Contains(said, "auditbridge: warning: standard input: line "); warned != (unparsed > 0) {
		t.Errorf("%d lines are no records, and read says %q", unparsed, said)
	}
	// By event, since something is selected; but nothing is left out.
	byEvent, _ := readBytes(t, data, readFlags{output: "audit", until: "@253402300799"})
	if got, want := sortedLines(byEvent), sortedLines(data); !slices.Equal(got, want) {
		t.Errorf("%d lines came out by event as %d others", len(want), len(got))
	}
}

// checkTwoHosts gives read each line as two hosts have it, one after the other:
// each has its own events, the same ones.
func checkTwoHosts(t *testing.T, data []byte) {
	t.Helper()
	var mixed bytes.Buffer
	for line := range bytes.Lines(data) {
		for _, host := range []string{"a", "b"} {
			mixed.WriteString("node=" + host + " ")
			mixed.Write(bytes.TrimRight(line, "\n"))
			mixed.WriteByte('\n')
		}
	}
	checkLines(t, mixed.Bytes())
	out, _ := readBytes(t, mixed.Bytes(), readFlags{output: "json"})
	events := map[string][]string{}
	for line := range strings.Lines(string(out)) {
		for _, host := range []string{"a", "b"} {
			if before, after, ok := strings.Cut(line, `,"node":"`+host+`",`); ok {
				events[host] = append(events[host], before+after)
			}
		}
	}
	if !slices.Equal(events["a"], events["b"]) {
		t.Errorf("%d events of one host, %d of the other", len(events["a"]), len(events["b"]))
	}
}

func sortedLines(data []byte) []string {
	lines := strings.Split(string(data), "\n")
	lines = slices.DeleteFunc(lines, func(line string) bool { return line == "" })
	slices.Sort(lines)
	return lines
}

func readBytes(t *testing.T, data []byte, flags readFlags) (out []byte, said string) {
	t.Helper()
	flags.ids = "host"
	job, err := flags.job(time.Now())
	if err != nil {
		t.Fatal(err)
	}
	var printed, warnings bytes.Buffer
	job.in, job.out, job.err = bytes.NewReader(data), &printed, &warnings
	if err := job.run(t.Context(), []string{"-"}); err != nil {
		t.Fatal(err)
	}
	return printed.Bytes(), warnings.String()
}
