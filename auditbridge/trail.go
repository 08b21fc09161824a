package auditbridge

import "hash/maphash"

// Trail is what a journal knows of where its source stood: the sums of the last
// records it has stored, and places in the source that its block lines name.
// Nothing is done twice or left out when the source goes on at the latest place
// that still holds, and passes over what it finds there that is stored.
type Trail struct {
	Lines  []LineSum
	Places []Place // the latest is the last
}

// Place is a position in the source, in its own words, behind which came
// Lines[Line:] of a Trail.
type Place struct {
	At   string
	Line int
}

// LineSum tells lines apart within this process.
type LineSum uint64

var sumSeed = maphash.MakeSeed()

// SumLine is the sum of a line without its LF.
func SumLine(line []byte) LineSum { return LineSum(maphash.Bytes(sumSeed, line)) }
