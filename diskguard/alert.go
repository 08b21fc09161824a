package diskguard

import (
	"fmt"
	"net"
	"os"
	"time"
)

// AlertSyslog sends text to the host's syslog as auth.alert. It waits for at
// most a second: the reader of /dev/log may hang on the same full disk.
func AlertSyslog(text string) error {
	conn, err := net.DialTimeout("unixgram", "/dev/log", time.Second)
	if err != nil {
		return fmt.Errorf("alert syslog: %w", err)
	}
	defer conn.Close()
	if err := conn.SetWriteDeadline(time.Now().Add(time.Second)); err != nil {
		return fmt.Errorf("alert syslog: %w", err)
	}
	const auth, alert = 4, 1 // RFC 5424 section 6.2.1
	if _, err := fmt.Fprintf(conn, "<%d>auditbridge[%d]: %s", auth*8+alert, os.Getpid(), text); err != nil {
		return fmt.Errorf("alert syslog: %w", err)
	}
	return nil
}
