package seal

import (
	"fmt"
	"time"

	"auditbridge/auditbridge"
)

// Verdict is the one word of a verification.
type Verdict string

const (
	OK      Verdict = "OK"      // every sealed record is as the journal had it
	Partial Verdict = "PARTIAL" // nothing is wrong, but records are absent or too many are unproven
	Bad     Verdict = "BAD"     // something is wrong, or nothing could be proven
)

// Reason is why a block, or a whole copy, is bad.
type Reason string

const (
	RecordChanged   Reason = "record changed"
	RecordMissing   Reason = "record missing"
	RecordAdded     Reason = "record added"
	RecordReordered Reason = "records reordered"
	BlocksMissing   Reason = "blocks missing"
	ChainBroken     Reason = "chain broken"
	MalformedBlock  Reason = "block line malformed"
	BadSignature    Reason = "bad signature"
	KeyNotAnnounced Reason = "key not announced"
	OtherJournal    Reason = "another journal begins"
	NotSealed       Reason = "nothing is signed"
	NotAnchored     Reason = "not linked to the given key or checkpoint"
	OtherCheckpoint Reason = "differs from the given checkpoint"
	EndsBefore      Reason = "ends before the given checkpoint"
)

// ofRecords says that it is the lines of a block that are not what was sealed.
func (r Reason) ofRecords() bool {
	return r == RecordChanged || r == RecordMissing || r == RecordAdded || r == RecordReordered
}

// Defect is one thing that is wrong. Record is the sequence of the first record
// that is known to be bad, First … Last are those that cannot be trusted because of it, Block that
// of the block line where it showed, Line where that is in the input, from 1, or
// Record where that is known. Zero means unknown.
type Defect struct {
	Reason Reason               `json:"reason"`
	Record auditbridge.Sequence `json:"record,omitempty"`
	First  auditbridge.Sequence `json:"first,omitempty"`
	Last   auditbridge.Sequence `json:"last,omitempty"`
	Block  auditbridge.Sequence `json:"block,omitempty"`
	Line   int64                `json:"line,omitempty"`
	Detail string               `json:"detail,omitempty"`
}

// String says it in one sentence. It holds no text of a record.
func (d Defect) String() string {
	s := string(d.Reason)
	switch within := (Range{d.First, d.Last}).text(); {
	case d.First == d.Last && d.First != 0:
		s += ": " + within
	case d.Record != 0 && d.Reason.ofRecords():
		s += fmt.Sprintf(": the first bad record is sequence %d; %s are not proven", d.Record, within)
	case d.Record != 0:
		s += fmt.Sprintf(": bad from sequence %d on at the latest; %s are not proven", d.Record, within)
	case d.Reason.ofRecords():
		s += ": the first bad record is among " + within
	case d.First != 0:
		s += ": " + within
	}
	if d.Detail != "" {
		s += ": " + d.Detail
	}
	if d.Line != 0 {
		s += fmt.Sprintf(" (input line %d)", d.Line)
	}
	return s
}

// Checkpoint names a block line by its sequence and the hash of its line.
// Noted elsewhere, it is what a later verification can be held to.
type Checkpoint struct {
	Sequence auditbridge.Sequence `json:"sequence"`
	Hash     Hash                 `json:"sha256"`
	At       time.Time            `json:"time,omitzero"` // not part of its identity
}

// String returns SEQUENCE:SHA256, what ParseCheckpoint reads.
func (c Checkpoint) String() string { return fmt.Sprintf("%d:%s", c.Sequence, c.Hash) }

// Range is a run of sequences, both ends included.
type Range struct {
	First auditbridge.Sequence `json:"first"`
	Last  auditbridge.Sequence `json:"last"`
}

func (r Range) text() string {
	if r.First == r.Last {
		return fmt.Sprintf("sequence %d", r.First)
	}
	return fmt.Sprintf("sequences %d to %d", r.First, r.Last)
}

// Short is a block that is short of records. They are among the sequences
// First … Last, From being the first that is absent, or not what was sealed; zero
// is unknown. Which the others are cannot be told.
type Short struct {
	Range
	Absent uint64               `json:"absent"`
	From   auditbridge.Sequence `json:"from,omitempty"`
	Line   int64                `json:"line"` // of the block line in the input, from 1
}

func (s Short) String() string {
	from := ""
	if s.From != 0 && s.First != s.Last {
		from = fmt.Sprintf(", the first is %d", s.From)
	}
	return fmt.Sprintf("%d of %s%s (block line: input line %d)", s.Absent, s.text(), from, s.Line)
}

// Resent is a run of lines that came once more, identical with those before.
// Of a block that is short of records it is the whole block.
type Resent struct {
	Range
	Line int64 `json:"line"` // where in the input the run stands again, from 1
}

func (r Resent) String() string {
	return fmt.Sprintf("%s (input line %d)", r.text(), r.Line)
}

// ChainReport is what is known of one chain of blocks: a journal, or one host's
// part of a copy. Records counts lines other than block lines.
type ChainReport struct {
	Node     string  `json:"node,omitempty"` // as the syslog header names it
	Verdict  Verdict `json:"verdict"`
	Verified bool    `json:"verified"` // nothing is wrong, and nothing absent but what was expected to be

	Blocks      int                  `json:"blocks"`
	Checkpoints int                  `json:"checkpoints"` // with a good signature
	First       auditbridge.Sequence `json:"first"`       // first sequence that a block covers
	Last        auditbridge.Sequence `json:"last"`        // of the last block line

	Sealed      uint64               `json:"sealed"`             // records in whole blocks under a signature
	SealedTo    auditbridge.Sequence `json:"sealed_to"`          // signatures reach to here
	Leading     uint64               `json:"leading"`            // records before the first whole block: unproven
	Stranded    uint64               `json:"stranded"`           // records in a gap that damage left: unproven
	Tail        uint64               `json:"unsealed"`           // records after the last checkpoint: unproven
	TailSeconds float64              `json:"unsealed_seconds"`   // between the earliest and the latest time among them
	LastTime    time.Time            `json:"last_time,omitzero"` // the latest
	Young       bool                 `json:"young"`              // nothing could have been sealed yet
	Before      Front                `json:"before,omitempty"`

	PartialBlocks int    `json:"partial_blocks"`
	Present       uint64 `json:"partial_present"` // records in partial blocks: cannot be proven
	Absent        uint64 `json:"partial_absent"`  // records those blocks are short of

	Short []Short `json:"short,omitempty"` // which blocks those are, the first ones

	Duplicates uint64 `json:"duplicates"` // lines sent again, identical

	Resent []Resent `json:"resent,omitempty"` // which lines those are, the first runs

	Foreign uint64  `json:"foreign"`        // lines that are no records and in no block
	Gaps    []Range `json:"gaps,omitempty"` // sequences that the journal itself says were never kept, the first ones
	Skipped uint64  `json:"skipped"`        // how many those are in all

	FirstKey    string      `json:"first_key,omitempty"`
	LastKey     string      `json:"last_key,omitempty"`
	KeyChanges  int         `json:"key_changes"`
	KeysUndone  int         `json:"key_changes_undone"`
	NewChains   int         `json:"new_chains"`         // keys that nothing announced
	Anchored    string      `json:"anchored,omitempty"` // "key", "checkpoint", or empty: only consistent with itself
	NotCovered  bool        `json:"not_covered"`        // the key or checkpoint given is another host's
	Checkpoint  *Checkpoint `json:"last_checkpoint,omitempty"`
	Defects     []Defect    `json:"defects,omitempty"` // the first ones, in order
	DefectCount int         `json:"defect_count"`

	Reservations []string `json:"reservations,omitempty"` // why it is no more than partial, besides absent records
}

// Front is what became of the sequences before the first of a journal's own
// segments; empty when it begins at 1.
type Front string

const (
	FrontNone        Front = "none"        // the journal began there
	FrontDropped     Front = "dropped"     // by the journal, on record
	FrontUnsealed    Front = "unsealed"    // the same, but no signature covers that record
	FrontUnexplained Front = "unexplained" // no record tells
)

// What a report keeps of each; DefectCount and Skipped count all.
const (
	maxDefects = 20
	maxShort   = 20
	maxResent  = 20
	maxGaps    = 100
)

func (r *ChainReport) add(d Defect) {
	r.DefectCount++
	if len(r.Defects) < maxDefects {
		r.Defects = append(r.Defects, d)
	}
}

// resend notes that these came once more. Runs that follow each other are one.
func (r *ChainReport) resend(again Range, at int64) {
	if n := len(r.Resent); n > 0 && r.Resent[n-1].Last+1 == again.First {
		r.Resent[n-1].Last = again.Last
	} else if n < maxResent {
		r.Resent = append(r.Resent, Resent{again, at})
	}
}

// short notes blocks that are short of records.
func (r *ChainReport) short(of []Short) {
	r.Short = append(r.Short, of[:min(len(of), maxShort-len(r.Short))]...)
}
