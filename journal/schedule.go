package journal

import (
	"time"

	"auditbridge/seal"
)

const (
	blockSize = seal.MaxBlock // bytes of lines after which a block closes

	checkpointPause = 5 * time.Second  // between two checkpoints at least
	checkpointLimit = 60 * time.Second // from the first uncovered record to its checkpoint at most
)

// schedule decides when checkpoints are due. The zero schedule has nothing to
// cover.
type schedule struct {
	uncovered time.Time // when the first line no checkpoint covers came; zero: none
	last      time.Time // when the last checkpoint was made
}

// came notes that lines were written which are not block lines.
func (s *schedule) came(now time.Time) {
	if s.uncovered.IsZero() {
		s.uncovered = now
	}
}

// covered notes a checkpoint.
func (s *schedule) covered(now time.Time) { s.uncovered, s.last = time.Time{}, now }

// signs says whether a block that closes now becomes a checkpoint.
func (s *schedule) signs(now time.Time) bool {
	return !s.uncovered.IsZero() && now.Sub(s.last) >= checkpointPause
}

// due returns when a checkpoint must be made; zero when nothing is uncovered.
func (s *schedule) due() time.Time {
	if s.uncovered.IsZero() {
		return time.Time{}
	}
	return s.uncovered.Add(checkpointLimit)
}
