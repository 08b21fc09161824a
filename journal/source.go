package journal

import (
	"bytes"
	"errors"
	"io"
	"math"
	"strconv"
	"strings"

	"auditbridge/auditbridge"
)

// source names the source for a block line. One that can say where it stands is
// NAME@PLACE+N: of what it handed over behind PLACE, N records are stored by the
// end of the block.
func (j *Journal) source() string {
	at, beyond := j.ring.Position()
	if at == "" {
		return j.cfg.Source
	}
	return j.cfg.Source + "@" + at + "+" + strconv.FormatUint(beyond, 10)
}

// cutSource is the inverse of source, for the place.
func (j *Journal) cutSource(source string) (at string, beyond int, ok bool) {
	rest, ok := strings.CutPrefix(source, j.cfg.Source+"@")
	if !ok {
		return "", 0, false
	}
	at, n, ok := strings.Cut(rest, "+")
	if !ok {
		return "", 0, false
	}
	beyond, err := strconv.Atoi(n)
	return at, beyond, err == nil && beyond >= 0
}

// How many of the last lines are looked at for a place: nearly always the first
// number does; the second is more than a ring holds twice over.
const shortTrail, longTrail = 20_000, 500_000

// Trail returns what the journal knows of where its source stood: the last
// records that are stored, those included which wait in the ring, and the places
// that block lines name. It is for the source, after Open and before Run.
func (j *Journal) Trail() (t auditbridge.Trail, err error) {
	for _, lines := range []auditbridge.Sequence{shortTrail, longTrail} {
		if t, err = j.trail(lines); err != nil || len(t.Places) > 0 {
			return t, err
		}
	}
	return t, nil
}

func (j *Journal) trail(lines auditbridge.Sequence) (t auditbridge.Trail, err error) {
	err = j.eachOfTheLast(lines, func(line []byte) { j.addToTrail(&t, line) })
	return t, err
}

// eachOfTheLast calls do with the last lines in the files, and those in the ring.
func (j *Journal) eachOfTheLast(lines auditbridge.Sequence, do func(line []byte)) error {
	from := auditbridge.Sequence(0)
	if j.at > lines {
		from = j.at - lines
	}
	r, err := OpenReader(j.cfg.Dir, from, ReaderOptions{PastDurable: true})
	if err != nil {
		return err
	}
	defer r.Close()
	for {
		_, line, err := r.Next()
		var damage *CorruptionError
		switch {
		case err == nil:
			do(line)
		case err == io.EOF:
			j.ring.EachUnwritten(func(lines []byte) {
				for line := range bytes.Lines(lines) {
					do(bytes.TrimSuffix(line, lf))
				}
			})
			return nil
		case !errors.As(err, &damage):
			return err
		}
	}
}

// LastSerial returns the newest of the kernel's serials among the last records that
// are stored or wait in the ring, if the kernel that runs now has given it. It is for
// the source, after Open and before Run.
func (j *Journal) LastSerial() (serial uint32, known bool, err error) {
	const lines = 2000 // which come in disorder, and among which there is some record
	ours := false
	err = j.eachOfTheLast(lines, func(line []byte) {
		h, ok := auditbridge.ParseHeader(line)
		if block, failed := parseBlock(line); failed == nil {
			ours = block.Boot == j.boot && !strings.HasPrefix(block.Source, "file:")
		} else if ok && ours && (h.Type < 1200 || h.Type > 1299) && (!known || int32(h.ID.Serial-serial) > 0) {
			serial, known = h.ID.Serial, true
		}
	})
	return serial, known, err
}

func (j *Journal) addToTrail(t *auditbridge.Trail, line []byte) {
	if h, ok := auditbridge.ParseHeader(line); !ok || !h.Own() {
		t.Lines = append(t.Lines, auditbridge.SumLine(line))
		return
	}
	block, err := parseBlock(line)
	if err != nil {
		return
	}
	if at, beyond, ok := j.cutSource(block.Source); ok && beyond <= len(t.Lines) && len(t.Lines) < math.MaxInt32 {
		t.Places = append(t.Places, auditbridge.Place{At: at, Line: len(t.Lines) - beyond})
	}
}
