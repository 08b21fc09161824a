package main

import (
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"strconv"
	"text/tabwriter"
	"time"

	"auditbridge/auditbridge"
	"auditbridge/internal/terminal"
	"auditbridge/journal"

	"github.com/spf13/cobra"
)

func newReportCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "report",
		Short: "Report on what the journal holds",
		Args:  cobra.NoArgs,
		RunE:  func(cmd *cobra.Command, _ []string) error { return cmd.Help() },
	}
	cmd.AddCommand(newReportAlarmsCommand())
	return cmd
}

func newReportAlarmsCommand() *cobra.Command {
	var asJSON bool
	cmd := &cobra.Command{
		Use:   "alarms [DIRECTORY]",
		Short: "The history of alarms: when each was raised and cleared",
		Long: `Lists the alarms in the configured journal, or in the one in DIRECTORY, in the order
in which they were raised. It works with run dead. What is raised now is in
auditbridge status, with what to do about it.`,
		Args: cobra.MaximumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			args, err := orJournal(cmd, args)
			if err != nil {
				return err
			}
			tellReading(cmd, args)
			all, err := alarmHistory(args[0])
			if err != nil {
				return err
			}
			if asJSON {
				return writeIndented(cmd.OutOrStdout(), all)
			}
			return writeAlarms(cmd.OutOrStdout(), all)
		},
	}
	cmd.Flags().BoolVar(&asJSON, "json", false, "print one JSON list")
	return cmd
}

// pastAlarm is one alarm as the journal has it.
type pastAlarm struct {
	ID       string     `json:"id"`
	Object   string     `json:"object,omitempty"`
	Number   int64      `json:"number"`
	Severity string     `json:"severity,omitempty"`
	Title    string     `json:"title,omitempty"`
	Raised   *time.Time `json:"raised"`  // nil: before the oldest record kept
	Cleared  *time.Time `json:"cleared"` // nil: not yet
}

// alarmHistory reads all of a journal. Only its own records count.
func alarmHistory(dir string) ([]pastAlarm, error) {
	r, err := journal.OpenReader(dir, 0, journal.ReaderOptions{PastDurable: true})
	if err != nil {
		return nil, err
	}
	defer r.Close()
	all := []pastAlarm{}
	raised := map[int64]int{} // where in all, by number
	for {
		_, line, err := r.Next()
		var damage *journal.CorruptionError
		switch {
		case errors.Is(err, io.EOF):
			return all, nil
		case errors.As(err, &damage):
			continue // verify says where; what can be read is reported
		case err != nil:
			return nil, err
		}
		h, ok := auditbridge.ParseHeader(line)
		if !ok || h.Type < 1200 || h.Type > 1299 || h.ID.Serial < auditbridge.FirstNoteSerial {
			continue
		}
		f := auditbridge.ScanFields(line[h.Body:])
		op := noteText(f, "op")
		if op != "alarm-raised" && op != "alarm-cleared" {
			continue
		}
		a := pastAlarm{ID: noteText(f, "alarm"), Object: noteText(f, "of"), Severity: noteText(f, "severity"), Title: noteText(f, "title")}
		a.Number, _ = strconv.ParseInt(noteText(f, "number"), 10, 64)
		at := time.Unix(h.ID.Seconds, int64(h.ID.Millis)*1e6).UTC()
		if op == "alarm-raised" {
			a.Raised = &at
			raised[a.Number] = len(all)
			all = append(all, a)
			continue
		}
		if i, known := raised[a.Number]; known && all[i].ID == a.ID {
			all[i].Cleared = &at
			delete(raised, a.Number)
			continue
		}
		a.Cleared = &at
		all = append(all, a)
	}
}

// noteText is a field of one of our own records as AppendNote was given it: text
// with a quote in it stands in hex.
func noteText(f auditbridge.Fields, key string) string {
	if !f.Find(key) {
		return ""
	}
	if text, err := hex.DecodeString(string(f.Value)); err == nil && f.Form == auditbridge.Bare && len(text) > 8 {
		return string(text)
	}
	return string(f.Value)
}

func writeAlarms(w io.Writer, all []pastAlarm) error {
	if len(all) == 0 {
		_, err := fmt.Fprintln(w, "no alarm was raised since the oldest record kept")
		return err
	}
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	fmt.Fprintln(t, "RAISED\tCLEARED\tALARM\tSEVERITY\tTITLE")
	for _, a := range all {
		name := a.ID
		if a.Object != "" {
			name += " of " + a.Object
		}
		fmt.Fprintf(t, "%s\t%s\t%s\t%s\t%s\n", orUnknown(a.Raised, "earlier"), orUnknown(a.Cleared, "not yet"), terminal.Safe(name), terminal.Safe(a.Severity), terminal.Safe(a.Title))
	}
	return t.Flush()
}

func orUnknown(at *time.Time, otherwise string) string {
	if at == nil {
		return otherwise
	}
	return at.Format(time.RFC3339)
}
