// Package journal is the durable log everything else reads: records are
// appended to it as they arrive, as lines of auditd's own text, and it cannot
// lose or change one silently.
//
//	Open     recovers what the last process left and starts nothing
//	Run      appends what the ring receives, closes blocks, signs, syncs
//	Note     adds one of our own records
//	Reader   reads, in any process that may read the directory
//	Mark     tells, in any process, how far the journal is durable
//	Cursor   is a reader's durable position
//
// Two goroutines work: append (Run's own) takes lines from the ring, writes,
// hashes and signs; sync, beside it, makes what was written durable and
// publishes the durable mark. docs/format/journal.md tells what is on disk and
// what holds after a crash at each step.
package journal
