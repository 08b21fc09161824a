package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"net/url"
	"strconv"
	"strings"
	"time"

	"auditbridge/auditbridge"
)

// ParseBlock reads a block line; a trailing LF may be there or not. It is
// strict: the fields in their order, none twice, each in its one form. What it
// accepts, AppendBlock's format writes back byte for byte.
func ParseBlock(line []byte) (Block, error) {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	b, err := parseBlock(string(line))
	if err != nil {
		return Block{}, fmt.Errorf("parse block line: %w", err)
	}
	if !bytes.Equal(b.appendTo(nil), line) {
		return Block{}, errors.New("parse block line: not in its one canonical form")
	}
	if err := b.check(b.Signed()); err != nil {
		return Block{}, fmt.Errorf("parse block line: %w", err)
	}
	if b.Signed() != (len(b.Sig) > 0) {
		return Block{}, errors.New("parse block line: key= and sig= belong together")
	}
	return b, nil
}

func parseBlock(line string) (b Block, err error) {
	rest, ok := strings.CutPrefix(line, blockPrefix)
	if !ok {
		return b, errors.New("not of type DAEMON_CONFIG")
	}
	stamp, rest, ok := strings.Cut(rest, blockOp)
	if !ok {
		return b, errors.New("no op=block")
	}
	rest, ok = strings.CutSuffix(rest, blockEnd)
	if !ok {
		return b, errors.New("does not end in res=success")
	}
	at, serial, _ := strings.Cut(stamp, ":")
	ms, err := parseMillis(at)
	if err != nil {
		return b, fmt.Errorf("time: %w", err)
	}
	b.At = time.UnixMilli(ms).UTC()
	n, err := strconv.ParseUint(serial, 10, 32)
	if err != nil {
		return b, fmt.Errorf("serial: %w", err)
	}
	b.Serial = uint32(n)
	for _, field := range strings.Split(rest, " ") {
		key, value, _ := strings.Cut(field, "=")
		if err := b.set(key, value); err != nil {
			return b, fmt.Errorf("%.20q: %w", key, err)
		}
	}
	return b, nil
}

// set takes one field. Order, repetition and unknown keys are not its concern:
// they do not survive the comparison with what would be written.
func (b *Block) set(key, value string) (err error) {
	switch key {
	case "pid":
		b.PID, err = strconv.Atoi(value)
	case "first":
		b.First, err = parseSequence(value)
	case "n":
		b.N, err = strconv.ParseUint(value, 10, 64)
	case "boot":
		b.Boot, err = url.PathUnescape(value)
	case "boottime":
		var ms int64
		ms, err = parseMillis(value)
		b.BootTime = time.Duration(ms) * time.Millisecond
	case "source":
		b.Source, err = url.PathUnescape(value)
	case "sha256":
		b.SHA256, err = ParseHash(value)
	case "prev":
		b.Prev, err = ParseHash(value)
	case "steps":
		b.Steps = Steps(value)
	case "relays":
		b.Relays, err = parseRelays(value)
	case "next":
		b.Next, err = ParsePublicKey(value)
	case "key":
		b.Key, err = ParsePublicKey(value)
	case "sig":
		b.Sig, err = strictBase64.DecodeString(value)
	}
	return err
}

// ParseHash reads 64 hex digits.
func ParseHash(text string) (h Hash, err error) {
	raw, err := hex.DecodeString(text)
	if err != nil || len(raw) != len(h) {
		return h, errors.New("not a SHA-256 in hex")
	}
	return Hash(raw), nil
}

func parseSequence(text string) (auditbridge.Sequence, error) {
	n, err := strconv.ParseUint(text, 10, 64)
	return auditbridge.Sequence(n), err
}

func parseRelays(value string) (relays []RelayPosition, err error) {
	for _, item := range strings.Split(value, ",") {
		name, at, _ := strings.Cut(item, ":")
		var r RelayPosition
		if r.Name, err = url.PathUnescape(name); err != nil {
			return nil, err
		}
		if r.At, err = parseSequence(at); err != nil {
			return nil, err
		}
		relays = append(relays, r)
	}
	return relays, nil
}

// parseMillis reads SECONDS.MMM.
func parseMillis(text string) (int64, error) {
	seconds, millis, _ := strings.Cut(text, ".")
	s, err := strconv.ParseInt(seconds, 10, 64)
	if err != nil {
		return 0, err
	}
	ms, err := strconv.ParseUint(millis, 10, 16)
	if err != nil || len(millis) != 3 {
		return 0, fmt.Errorf("%.30q: want SECONDS.MMM", text)
	}
	if s < 0 || s > 1<<40 {
		return 0, fmt.Errorf("%d seconds: out of range", s)
	}
	return s*1000 + int64(ms), nil
}
