package journal

import (
	"fmt"
	"slices"
	"strings"

	"auditbridge/auditbridge"
)

// Names in the journal directory.
const (
	segmentSuffix  = ".log"
	nextName       = "next"       // the next segment, allocated ahead
	markName       = "mark"       // the durable mark, mapped by readers
	lockName       = "lock"       // held by the one process that writes
	quarantineName = "quarantine" // copies of bytes that could not be read
	linkName       = "audit.log"  // link to the newest segment, for ausearch -if
)

// maxLinks bounds the links kept for ausearch, which are all moved when a segment opens.
const maxLinks = 99

// segmentName is the name of the segment whose first line is first.
func segmentName(first auditbridge.Sequence) string {
	return fmt.Sprintf("%020d%s", uint64(first), segmentSuffix)
}

// ParseSegmentName returns the sequence of a segment's first line, which is its
// name; ok is false when the file is none of the journal's segments.
func ParseSegmentName(name string) (first auditbridge.Sequence, ok bool) {
	digits, ok := strings.CutSuffix(name, segmentSuffix)
	if !ok || len(digits) != 20 {
		return 0, false
	}
	var n uint64
	for _, c := range []byte(digits) {
		d := uint64(c - '0')
		if c < '0' || c > '9' || n > (1<<64-1-d)/10 {
			return 0, false
		}
		n = n*10 + d
	}
	return auditbridge.Sequence(n), n > 0
}

// segmentsIn returns the first sequences of the segments among names, in order.
func segmentsIn(names []string) []auditbridge.Sequence {
	var firsts []auditbridge.Sequence
	for _, name := range names {
		if first, ok := ParseSegmentName(name); ok {
			firsts = append(firsts, first)
		}
	}
	slices.Sort(firsts)
	return firsts
}
