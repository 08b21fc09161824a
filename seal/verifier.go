package seal

import (
	"cmp"
	"errors"
	"fmt"
	"slices"
	"sort"
	"strconv"
	"strings"

	"auditbridge/auditbridge"
)

// Options is what a verification starts from. The zero value takes any copy of
// the raw stream and can only find whether it is consistent with itself.
type Options struct {
	// Own says that the input is a journal's own segments, in order: no headers,
	// no duplicates, nothing foreign, nothing absent.
	Own bool
	// First is the sequence of the input's first line where that is known (the
	// name of the first segment); zero when the input may begin anywhere.
	First auditbridge.Sequence
	// Keys are public keys known from elsewhere. At least one must have signed;
	// hosts for which none did are reported as not covered.
	Keys []PublicKey
	// Known are checkpoints noted elsewhere; for each, one host of the input must
	// hold it. The more there are, the closer a report says where it went wrong.
	Known []Checkpoint
	// Filtered says that records are expected to be absent.
	Filtered bool
}

// ParseCheckpoint reads SEQUENCE:SHA256, or a block line as it stands in any
// copy of the stream.
func ParseCheckpoint(text string) (Checkpoint, error) {
	text = strings.TrimRight(text, "\r\n")
	sequence, sum, _ := strings.Cut(text, ":")
	if n, err := strconv.ParseUint(sequence, 10, 64); err == nil {
		h, err := ParseHash(sum)
		if err != nil || n == 0 {
			return Checkpoint{}, errors.New("parse checkpoint: want SEQUENCE:SHA256")
		}
		return Checkpoint{Sequence: auditbridge.Sequence(n), Hash: h}, nil
	}
	_, line, _ := cutHeader([]byte(text))
	b, err := ParseBlock(line)
	if err != nil {
		return Checkpoint{}, fmt.Errorf("parse checkpoint: neither SEQUENCE:SHA256 nor a block line: %w", err)
	}
	return Checkpoint{Sequence: b.Sequence(), Hash: HashLine(line), At: b.At}, nil
}

// Verifier checks a stream line by line in memory that does not grow with it.
// A copy that mixes several hosts is taken apart by the host its syslog
// headers name; each is a chain of its own.
type Verifier struct {
	opts    Options
	line    int64
	chains  map[string]*chain
	last    *chain // that took the last line
	foreign uint64 // lines that are no records, before any chain
	refused uint64 // records of more hosts than maxChains
	budget  int    // blocks all chains may still remember
}

const (
	// maxChains bounds the hosts of one input; the rest of it is refused.
	maxChains = 4096
	// rememberedBlocks is how many blocks are kept to recognise lines that were
	// sent again: 1024 of 64 KiB are 64 MiB.
	rememberedBlocks = 1024
)

// NewVerifier returns a verifier at the beginning of its input.
func NewVerifier(opts Options) *Verifier {
	opts.Known = slices.SortedFunc(slices.Values(opts.Known), func(a, b Checkpoint) int { return cmp.Compare(a.Sequence, b.Sequence) })
	return &Verifier{opts: opts, chains: map[string]*chain{}, budget: rememberedBlocks}
}

// Line takes the next line, without its LF. It keeps nothing of line.
func (v *Verifier) Line(line []byte) {
	v.line++
	if v.opts.Own {
		v.chain("").line(line, v.line, true)
		return
	}
	host, record, isRecord := cutHeader(line)
	c := v.last
	switch {
	case isRecord:
		if c = v.chainOf(host); c == nil {
			v.refused++
			return
		}
	case host != nil:
		c = v.chains[string(host)]
	}
	if c == nil {
		v.foreign++
		return
	}
	v.last = c
	c.line(record, v.line, isRecord)
}

// chainOf finds a record's chain; the same host as before costs no look-up.
func (v *Verifier) chainOf(host []byte) *chain {
	if v.last != nil && v.last.report.Node == string(host) {
		return v.last
	}
	if c, ok := v.chains[string(host)]; ok {
		return c
	}
	return v.chain(string(host))
}

func (v *Verifier) chain(host string) *chain {
	if c, ok := v.chains[host]; ok {
		return c
	}
	if len(v.chains) == maxChains {
		return nil
	}
	c := newChain(&v.opts, host, &v.budget)
	v.chains[host] = c
	return c
}

// Report is what a verification found.
type Report struct {
	Verdict  Verdict        `json:"verdict"` // the worst of its chains
	Lines    int64          `json:"lines"`
	Verified bool           `json:"verified"` // all of them are
	Foreign  uint64         `json:"foreign"`  // lines that are no records, outside every chain
	Refused  uint64         `json:"refused"`  // records of more hosts than one verification takes
	Chains   []*ChainReport `json:"chains"`   // by node
}

// Finish ends the input and reports. The verifier must not be used again.
func (v *Verifier) Finish() Report {
	r := Report{Verdict: OK, Verified: true, Lines: v.line, Foreign: v.foreign, Refused: v.refused}
	if v.refused > 0 {
		r.Verdict, r.Verified = Bad, false
	}
	if len(v.chains) == 0 {
		v.chain("")
	}
	given := linked{known: make([]bool, len(v.opts.Known))}
	for _, c := range v.chains {
		c.finish()
		given.add(c)
	}
	for _, c := range v.chains {
		c.conclude(given)
		r.Chains = append(r.Chains, &c.report)
	}
	sort.Slice(r.Chains, func(i, j int) bool { return r.Chains[i].Node < r.Chains[j].Node })
	for _, c := range r.Chains {
		if c.Verdict == Bad || r.Verdict == OK {
			r.Verdict = c.Verdict
		}
		r.Verified = r.Verified && c.Verified
	}
	return r
}
