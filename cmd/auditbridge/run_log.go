package main

import (
	"errors"
	"io"
	"log/slog"
	"os"

	"auditbridge/internal/hostlog"

	"golang.org/x/sys/unix"
)

// newLogger writes what run and ship say of their work; to the host's syslog
// when w leads nowhere, as auditd has it for its plugins. A value that is empty
// says nothing and is left out, such as the hint of an error that has none.
func newLogger(w io.Writer) *slog.Logger {
	nowhere := leadsNowhere(w)
	if nowhere {
		w = new(hostlog.Writer)
	}
	return slog.New(slog.NewTextHandler(w, &slog.HandlerOptions{
		ReplaceAttr: func(groups []string, a slog.Attr) slog.Attr {
			switch {
			case a.Value.Kind() == slog.KindString && a.Value.String() == "":
				return slog.Attr{}
			case nowhere && len(groups) == 0 && a.Key == slog.TimeKey: // syslog has its own
				return slog.Attr{}
			}
			return a
		},
	}))
}

// lastWords has what ends run said in the log when the line that main prints
// leads nowhere.
func lastWords(w io.Writer, log *slog.Logger, err error) {
	if err == nil || !leadsNowhere(w) {
		return
	}
	advice := ""
	var hinted interface{ Hint() string }
	if errors.As(err, &hinted) {
		advice = hinted.Hint()
	}
	log.Error("auditbridge run ends", "err", err, "hint", advice)
}

// leadsNowhere tells whether w is the null device.
func leadsNowhere(w io.Writer) bool {
	file, ok := w.(*os.File)
	if !ok {
		return false
	}
	var st unix.Stat_t
	err := unix.Fstat(int(file.Fd()), &st)
	return err == nil && st.Mode&unix.S_IFMT == unix.S_IFCHR && st.Rdev == unix.Mkdev(1, 3)
}
