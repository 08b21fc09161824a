package journal

import (
	"context"
	"errors"
	"time"
)

// Reconfigure lets segments close by other sizes and ages: those of cfg, of
// which only SegmentSize, SegmentAge and Retention are looked at. A segment that
// is beyond them already closes with what comes next. It works while Run does.
func (j *Journal) Reconfigure(ctx context.Context, cfg Config) error {
	if cfg.SegmentSize < 0 || cfg.SegmentAge < 0 {
		return errors.New("segment size and segment age must not be negative")
	}
	cfg.setDefaults()
	return j.inLoop(ctx, func(time.Time) error {
		j.cfg.SegmentSize, j.cfg.SegmentAge = cfg.SegmentSize, cfg.SegmentAge
		return nil
	})
}
