package journal

import (
	"os"
	"time"

	"auditbridge/internal/boot"
)

var pid = os.Getpid()

// sinceBoot is the kernel's clock since boot, suspended time included: with
// the wall clock in the same line it shows who turned that one.
func sinceBoot() time.Duration {
	age, err := boot.Age()
	if err != nil {
		return 0
	}
	return age.Truncate(time.Millisecond)
}
