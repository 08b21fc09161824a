package diskguard

import (
	"os"
	"strings"
	"time"

	"golang.org/x/sys/unix"
)

// consoleTime is how long the console may take: a serial line may be stopped.
const consoleTime = time.Second

// TellConsole writes text to the host's console.
func TellConsole(text string) {
	done := make(chan struct{})
	go func() {
		defer close(done)
		console, err := os.OpenFile("/dev/console", os.O_WRONLY|unix.O_NOCTTY|unix.O_NONBLOCK, 0)
		if err != nil {
			return // a host without one: nobody sits there
		}
		defer console.Close()
		console.SetWriteDeadline(time.Now().Add(consoleTime))
		console.WriteString("\r\n\a" + strings.ReplaceAll(text, "\n", "\r\n"))
	}()
	select {
	case <-done:
	case <-time.After(consoleTime):
	}
}
