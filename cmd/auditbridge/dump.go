package main

import (
	"bytes"
	"crypto/sha256"
	"errors"
	"fmt"
	"hash"
	"io"
	"path/filepath"
	"strings"
	"text/tabwriter"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/terminal"
	"auditbridge/journal"
	"auditbridge/seal"

	"github.com/spf13/cobra"
)

func newDumpCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "dump SEGMENT|DIR|-",
		Short: "Print a segment's structure",
		Long: "dump prints where the blocks of one segment (or of any file of raw lines) lie, what\n" +
			"each seals, and whether hash and signature fit. Of a journal directory it takes the\n" +
			"newest segment. It judges each block by itself: whether the journal as a whole is sound\n" +
			"is for verify to say. Exit status 2: could not be read.",
		Args: oneSegment,
		RunE: func(cmd *cobra.Command, args []string) error {
			tellReading(cmd, args)
			if err := runDump(cmd, args[0], asJSON); err != nil {
				return noAnswer("dump", err)
			}
			return nil
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print as JSON")
	return cmd
}

func oneSegment(_ *cobra.Command, args []string) error {
	switch len(args) {
	case 0:
		return errors.New("dump: which segment? Name its file, a journal directory for its newest one, or - for standard input")
	case 1:
		return nil
	}
	return fmt.Errorf("dump: one segment at a time, not %d", len(args))
}

func runDump(cmd *cobra.Command, path string, asJSON bool) error {
	in, err := dumpInput(path, cmd.InOrStdin())
	if err != nil {
		return err
	}
	defer in.Close()
	segment := in.files[0]
	d := newDump(segment.name)
	if err := eachLine(segment, newProgress(nil, 0), d.line); err != nil {
		return fmt.Errorf("%s: %w", segment.name, err)
	}
	d.finish()
	if asJSON {
		return writeIndented(cmd.OutOrStdout(), d)
	}
	return d.writeText(cmd.OutOrStdout())
}

// dumpInput is the one file that path means.
func dumpInput(path string, stdin io.Reader) (*sealedInput, error) {
	if !isDir(path) {
		return openFiles([]string{path}, stdin)
	}
	in, err := openJournalDir(path)
	if err != nil {
		return nil, err
	}
	return in.newest(), nil
}

// dump is a segment's structure. Offsets and sizes are in bytes.
type dump struct {
	Segment string               `json:"segment"`
	First   auditbridge.Sequence `json:"first,omitempty"` // as the file's name says
	Bytes   int64                `json:"bytes"`
	Blocks  []dumpedBlock        `json:"blocks"`
	Open    openBlock            `json:"open"`

	hash hash.Hash // of the lines since the last block line
	size int       // bytes of them
	n    uint64
	prev seal.Hash // of the last block line
}

// openBlock is what stands behind the last block line.
type openBlock struct {
	Offset int64  `json:"offset"`
	Bytes  int    `json:"bytes"`
	Lines  uint64 `json:"lines"`
	Torn   int    `json:"torn_bytes"`
}

type dumpedBlock struct {
	Offset    int64                `json:"offset"` // of its first line
	Line      int64                `json:"line_offset"`
	Bytes     int64                `json:"bytes"` // block line included
	First     auditbridge.Sequence `json:"first"`
	Records   uint64               `json:"records"`
	Sequence  auditbridge.Sequence `json:"sequence"`
	Time      time.Time            `json:"time"`
	Boot      string               `json:"boot"`
	Source    string               `json:"source"`
	SHA256    seal.Hash            `json:"sha256"`
	Prev      seal.Hash            `json:"prev"`
	Line256   seal.Hash            `json:"line_sha256"`
	Hash      string               `json:"hash"`  // ok, bad
	Chain     string               `json:"chain"` // ok, bad, or unknown for the first block of the file
	Signature string               `json:"signature,omitempty"`
	Key       string               `json:"key,omitempty"`
	Next      string               `json:"next,omitempty"`
	Relays    []seal.RelayPosition `json:"relays,omitempty"`
}

func newDump(path string) *dump {
	d := &dump{Segment: path, Blocks: []dumpedBlock{}, hash: sha256.New()}
	d.First, _ = journal.ParseSegmentName(filepath.Base(path))
	return d
}

var lf = []byte{'\n'}

func (d *dump) line(line []byte, whole bool) {
	if !whole {
		d.Open.Torn = len(line)
		d.Bytes += int64(len(line))
		return
	}
	start := d.Bytes
	d.Bytes += int64(len(line)) + 1
	if seal.LooksLikeBlock(line) {
		if b, err := seal.ParseBlock(line); err == nil && d.fits(&b) {
			d.block(&b, line, start)
			return
		}
	}
	d.hash.Write(line)
	d.hash.Write(lf)
	d.size += len(line) + 1
	d.n++
}

// fits tells the journal's own block line from a line that was only recorded:
// its number says which line of the file it is.
func (d *dump) fits(b *seal.Block) bool {
	if len(d.Blocks) > 0 {
		return b.First > d.Blocks[len(d.Blocks)-1].Sequence
	}
	return d.First == 0 || b.Sequence() >= d.First
}

func (d *dump) block(b *seal.Block, line []byte, start int64) {
	out := dumpedBlock{
		Offset: start - int64(d.size), Line: start, Bytes: d.Bytes - start + int64(d.size),
		First: b.First, Records: d.n, Sequence: b.Sequence(), Time: b.At, Boot: b.Boot, Source: b.Source,
		SHA256: b.SHA256, Prev: b.Prev, Line256: seal.HashLine(line), Relays: b.Relays,
		Key: b.Key.String(), Next: b.Next.String(),
		Hash:  okOrBad(b.N == d.n && seal.Hash(d.hash.Sum(nil)) == b.SHA256),
		Chain: okOrBad(b.Prev == d.prev),
	}
	if len(d.Blocks) == 0 && !b.Prev.IsZero() {
		out.Chain = "unknown"
	}
	if b.Signed() {
		out.Signature = okOrBad(b.Verify(line))
	}
	d.Blocks = append(d.Blocks, out)
	d.prev = out.Line256
	d.size, d.n = 0, 0
	d.hash.Reset()
}

func (d *dump) finish() {
	d.Open.Offset = d.Bytes - int64(d.size) - int64(d.Open.Torn)
	d.Open.Bytes, d.Open.Lines = d.size, d.n
}

func okOrBad(ok bool) string {
	if ok {
		return "ok"
	}
	return "bad"
}

func (d *dump) writeText(w io.Writer) error {
	var b bytes.Buffer
	fmt.Fprintf(&b, "%s: %d bytes, %s\n", terminal.Safe(d.Segment), d.Bytes, count(len(d.Blocks), "block"))
	t := tabwriter.NewWriter(&b, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "OFFSET\tBYTES\tFIRST\tRECORDS\tLINE\tTIME\tHASH\tCHAIN\tSIGNATURE\tNOTES")
	for _, block := range d.Blocks {
		signature := block.Signature
		if signature == "" {
			signature = "-"
		}
		fmt.Fprintf(t, "%d\t%d\t%d\t%d\t%d\t%s\t%s\t%s\t%s\t%s\n", block.Offset, block.Bytes, block.First, block.Records, block.Sequence,
			block.Time.Format("2006-01-02T15:04:05.000Z"), block.Hash, block.Chain, signature, terminal.Safe(block.notes()))
	}
	if err := t.Flush(); err != nil {
		return err
	}
	fmt.Fprintf(&b, "open block: %s, %d bytes at offset %d\n", count(int(d.Open.Lines), "record"), d.Open.Bytes, d.Open.Offset)
	if d.Open.Torn > 0 {
		fmt.Fprintf(&b, "torn line: %d bytes\n", d.Open.Torn)
	}
	_, err := w.Write(b.Bytes())
	return err
}

func (b *dumpedBlock) notes() string {
	var notes []string
	if b.Key != "" {
		notes = append(notes, "key="+b.Key)
	}
	if b.Next != "" {
		notes = append(notes, "next="+b.Next)
	}
	for _, r := range b.Relays {
		notes = append(notes, fmt.Sprintf("%s:%d", r.Name, r.At))
	}
	return strings.Join(notes, " ")
}
