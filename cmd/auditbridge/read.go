package main

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"

	"github.com/spf13/cobra"

	"auditbridge/auditbridge"
)

func newReadCommand() *cobra.Command {
	var output string
	var include []string
	cmd := &cobra.Command{
		Use:   "read [FILE…|-]",
		Short: "Reassemble, classify and print an audit log",
		Long: "read joins the records of audit logs to events, classifies them and prints one line per\n" +
			"event (json, rfc5424, rfc3164, cef) or its records (audit), in the order in which events end. Files are\n" +
			"read one after another as one stream, oldest first; without FILE or with - it is standard\n" +
			"input. Lines that are no audit records are printed too, and counted at the end.",
		RunE: func(cmd *cobra.Command, files []string) error {
			r, err := newLogReader(cmd.OutOrStdout(), output, include)
			if err != nil {
				return &usageError{err, cmd.CommandPath()}
			}
			if len(files) == 0 {
				files = []string{"-"}
			}
			for _, name := range files {
				if err := r.readFile(name, cmd.InOrStdin()); err != nil {
					return err
				}
			}
			if err := r.close(); err != nil {
				return err
			}
			if r.malformed > 0 {
				fmt.Fprintf(cmd.ErrOrStderr(), "auditbridge: %d of %d lines are no audit records; they were kept as they stand\n", r.malformed, r.sequence)
			}
			return nil
		},
	}
	cmd.Flags().StringVarP(&output, "output", "o", "json", "`FORMAT`: json, audit, rfc5424, rfc3164 or cef")
	cmd.Flags().StringSliceVar(&include, "include", nil, "print only events of these `CLASS`es: login, session, config-change, system, alarm")
	return cmd
}

// logReader turns lines into printed events.
type logReader struct {
	reassembler *auditbridge.Reassembler
	include     map[auditbridge.Class]bool // nil is all
	format      eventFormat
	emit        func(*auditbridge.Event)
	out         *bufio.Writer
	scratch     []byte
	sequence    auditbridge.Sequence
	malformed   int
}

func newLogReader(out io.Writer, format string, include []string) (*logReader, error) {
	r := &logReader{
		reassembler: auditbridge.NewReassembler(auditbridge.Limits{}),
		out:         bufio.NewWriterSize(out, 256<<10),
	}
	r.emit = r.print
	for _, name := range include {
		class, ok := auditbridge.ParseClass(name)
		if !ok && name != "all" {
			return nil, fmt.Errorf("--include: %q is no class (all login session config-change system alarm)", name)
		}
		if name == "all" {
			r.include = nil
			break
		}
		if r.include == nil {
			r.include = map[auditbridge.Class]bool{}
		}
		r.include[class] = true
	}
	var err error
	if r.format, err = printedAs(format); err != nil {
		return nil, err
	}
	return r, nil
}

func (r *logReader) readFile(name string, stdin io.Reader) error {
	if name == "-" {
		return r.read("standard input", stdin)
	}
	f, err := os.Open(name)
	if err != nil {
		if errors.Is(err, os.ErrPermission) {
			return withHint(fmt.Errorf("read audit log: %w", err), "audit logs are readable by root only: try sudo")
		}
		return fmt.Errorf("read audit log: %w", err)
	}
	defer f.Close()
	return r.read(name, f)
}

// read pushes the lines of one stream. A line longer than the buffer is put
// together; the last one may lack its LF.
func (r *logReader) read(name string, in io.Reader) error {
	lines := bufio.NewReaderSize(in, 1<<20)
	var long []byte
	for {
		line, err := lines.ReadSlice('\n')
		if err == bufio.ErrBufferFull {
			long = append(long, line...)
			continue
		}
		if len(long) > 0 {
			long = append(long, line...)
			line = long
			long = long[:0]
		}
		if line = bytes.TrimSuffix(line, []byte{'\n'}); len(line) > 0 {
			r.sequence++
			r.reassembler.Push(r.sequence, line, r.emit)
		}
		switch {
		case err == io.EOF:
			return nil
		case err != nil:
			return fmt.Errorf("read audit log: %s: %w", name, err)
		}
	}
}

func (r *logReader) close() error {
	r.reassembler.Flush(r.emit)
	if err := r.out.Flush(); err != nil {
		return fmt.Errorf("print events: %w", err)
	}
	return nil
}

func (r *logReader) print(e *auditbridge.Event) {
	if e.End == auditbridge.EndMalformed {
		r.malformed++
	}
	v := auditbridge.Classify(e)
	if r.include != nil && !r.include[v.Class] && !v.Doubtful {
		return
	}
	r.scratch = r.format(r.scratch[:0], e, &v)
	r.out.Write(r.scratch) // its error stays and is reported by Flush
}
