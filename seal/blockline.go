package seal

import (
	"bytes"
	"encoding/hex"
	"errors"
	"fmt"
	"strconv"
	"time"

	"auditbridge/auditbridge"
)

const (
	blockPrefix = "type=DAEMON_CONFIG msg=audit("
	blockOp     = "): op=block "
	// Nobody's login uid and session cause a block; root writes it.
	blockActor = " uid=0 ses=4294967295"
	blockEnd   = " res=success"
	sigField   = " sig="
)

// LooksLikeBlock says whether line is of our own record type and begins as a
// block line does. Only then is ParseBlock worth trying; a line of any other
// type that contains "op=block" is just content.
func LooksLikeBlock(line []byte) bool {
	rest, ok := bytes.CutPrefix(line, []byte(blockPrefix))
	if !ok {
		return false
	}
	end := bytes.IndexByte(rest, ')')
	return end >= 0 && bytes.HasPrefix(rest[end:], []byte(blockOp))
}

// AppendBlock appends b's line, its LF included. With a signer it becomes a
// checkpoint: b.Key and b.Sig are set. It fails, dst as it was, when a value
// could not be read back or the signer fails.
func AppendBlock(dst []byte, b *Block, signer Signer) ([]byte, error) {
	if err := b.check(signer != nil); err != nil {
		return dst, fmt.Errorf("write block line: %w", err)
	}
	b.Key, b.Sig = PublicKey{}, nil
	start := len(dst)
	line := b.appendTo(dst)
	if signer != nil {
		b.Key = signer.Public()
		line = b.appendTo(dst)
		sig, err := signer.Sign(line[start:])
		if err != nil {
			b.Key = PublicKey{}
			return dst, fmt.Errorf("write block line: %w", err)
		}
		b.Sig = sig
		line = b.appendTo(dst)
	}
	return append(line, '\n'), nil
}

// check holds b to what ParseBlock will read back.
func (b *Block) check(signed bool) error {
	switch {
	case b.Serial < auditbridge.FirstNoteSerial:
		return fmt.Errorf("serial %d: below %d, where our own records begin", b.Serial, uint32(auditbridge.FirstNoteSerial))
	case b.First == 0 || b.First+auditbridge.Sequence(b.N) < b.First:
		return fmt.Errorf("first=%d n=%d: not a range of sequences", b.First, b.N)
	case b.At.Unix() < 0 || b.PID < 0 || b.BootTime < 0:
		return errors.New("a time or pid below zero")
	case b.Boot == "" || b.Source == "":
		return errors.New("boot and source must be known")
	case b.Steps.check(b.N) != nil:
		return b.Steps.check(b.N)
	case !signed && (len(b.Relays) > 0 || !b.Next.IsZero()):
		return errors.New("relays= and next= belong to checkpoints")
	}
	for _, r := range b.Relays {
		if r.Name == "" {
			return errors.New("a relay without a name")
		}
	}
	return nil
}

// appendTo appends the line without its LF, as far as it is known: without
// sig= that is what is signed.
func (b *Block) appendTo(dst []byte) []byte {
	dst = append(dst, blockPrefix...)
	dst = appendMillis(dst, b.At.Unix(), b.At.Nanosecond()/1e6)
	dst = append(dst, ':')
	dst = strconv.AppendUint(dst, uint64(b.Serial), 10)
	dst = append(dst, blockOp...)
	dst = append(dst, "auid=4294967295 pid="...)
	dst = strconv.AppendInt(dst, int64(b.PID), 10)
	dst = append(dst, blockActor...)
	dst = append(dst, " first="...)
	dst = strconv.AppendUint(dst, uint64(b.First), 10)
	dst = append(dst, " n="...)
	dst = strconv.AppendUint(dst, b.N, 10)
	dst = append(dst, " boot="...)
	dst = appendToken(dst, b.Boot)
	dst = append(dst, " boottime="...)
	dst = appendMillis(dst, int64(b.BootTime/time.Second), int(b.BootTime%time.Second/time.Millisecond))
	dst = append(dst, " source="...)
	dst = appendToken(dst, b.Source)
	dst = append(dst, " sha256="...)
	dst = hex.AppendEncode(dst, b.SHA256[:])
	dst = append(dst, " prev="...)
	dst = hex.AppendEncode(dst, b.Prev[:])
	if len(b.Steps) > 0 {
		dst = append(append(dst, " steps="...), b.Steps...)
	}
	for i, r := range b.Relays {
		if i == 0 {
			dst = append(dst, " relays="...)
		} else {
			dst = append(dst, ',')
		}
		dst = appendToken(dst, r.Name)
		dst = append(dst, ':')
		dst = strconv.AppendUint(dst, uint64(r.At), 10)
	}
	if !b.Next.IsZero() {
		dst = b.Next.appendText(append(dst, " next="...))
	}
	if !b.Key.IsZero() {
		dst = b.Key.appendText(append(dst, " key="...))
	}
	if len(b.Sig) > 0 {
		dst = strictBase64.AppendEncode(append(dst, sigField...), b.Sig)
	}
	return append(dst, blockEnd...)
}

// signedPart is line, without LF, with its sig= field cut out.
func signedPart(line []byte) []byte {
	line = bytes.TrimSuffix(line, []byte{'\n'})
	at := bytes.LastIndex(line, []byte(sigField))
	if at < 0 {
		return line
	}
	return append(bytes.Clone(line[:at]), blockEnd...)
}

func appendMillis(dst []byte, seconds int64, ms int) []byte {
	dst = strconv.AppendInt(dst, seconds, 10)
	return append(dst, '.', byte('0'+ms/100), byte('0'+ms/10%10), byte('0'+ms%10))
}

// appendToken writes letters, digits and ._/+@- as they are and any other
// byte as %XX, so that a value ends where it seems to end.
func appendToken(dst []byte, s string) []byte {
	const hex = "0123456789ABCDEF"
	for i := 0; i < len(s); i++ {
		if c := s[i]; plainByte(c) {
			dst = append(dst, c)
		} else {
			dst = append(dst, '%', hex[c>>4], hex[c&15])
		}
	}
	return dst
}

func plainByte(c byte) bool {
	return 'a' <= c && c <= 'z' || 'A' <= c && c <= 'Z' || '0' <= c && c <= '9' || bytes.IndexByte([]byte("._/+@-"), c) >= 0
}
