package diskguard

import (
	"fmt"
	"time"

	"auditbridge/internal/hostlog"
)

// AlertSyslog sends text to the host's syslog as auth.alert. It waits for at
// most a second: the reader of /dev/log may hang on the same full disk.
func AlertSyslog(text string) error {
	if err := hostlog.Send(hostlog.AuthAlert, text, time.Second); err != nil {
		return fmt.Errorf("alert: %w", err)
	}
	return nil
}
