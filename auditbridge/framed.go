package auditbridge

import "bytes"

// ParseFramed reads the header of a record that something else wrote down: the
// kernel's log, syslog, journald, grep. It knows, behind whatever CutSyslog takes
// off and the kernel's own `[   12.345678] audit: `, three ways to begin:
//
//	[node=NAME ]type=NAME msg=audit(SEC.MMM:SERIAL): …   auditd, audisp-syslog, our own "audit"
//	type=1400 audit(SEC.MMM:SERIAL): …                   the kernel's log
//	audit(SEC.MMM:SERIAL): type=1400 …                   the same before Linux 2.6.29
//
// The host of the frame is the node of a record that names none. The line itself
// stays as it is; Body is an offset in it. What ParseHeader reads is read alike.
//
// A frame proves nothing, so this is for reading a log, not for taking records
// in. But text that a program logs shall not pass for a record: where a tag says
// who spoke, it must be the kernel or one that relays audit records, and what
// stands between that and the record may be no text of anybody (isFrame): a USB
// device chooses the name that the kernel logs of it.
func ParseFramed(line []byte) (h Header, ok bool) {
	if h, ok = ParseHeader(line); ok {
		return h, true
	}
	message := bytes.TrimLeft(line, "\x00") // what a crash left of a file's last block
	message = bytes.TrimPrefix(message, byteOrderMark)
	if beginsLikeRecord(message) {
		h, ok = parseStamped(message)
		return h.within(line, message), ok
	}
	host, tag, message := CutSyslog(message)
	if len(tag) > 0 && !relaysAudit(tag) {
		return h, false
	}
	at, ok := findStamped(message)
	if !ok || !isFrame(message[:at], tag) {
		return h, false
	}
	if h, ok = parseStamped(message[at:]); !ok {
		return h, false
	}
	if len(h.Node) == 0 && len(host) <= maxNode {
		h.Node = host
	}
	return h.within(line, message[at:]), true
}

// within moves Body from an offset in tail to one in line, which ends with it.
func (h Header) within(line, tail []byte) Header {
	h.Body += len(line) - len(tail)
	return h
}

// parseStamped reads a header in one of the three ways.
func parseStamped(text []byte) (h Header, ok bool) {
	if h, ok = ParseHeader(text); ok {
		return h, true
	}
	h = Header{}
	if rest, ok := h.ID.cutStamp(text); ok {
		if h.Type, rest, ok = cutType(bytes.TrimLeft(rest, " ")); !ok {
			return h, false
		}
		h.Body = len(text) - len(rest)
		return h, true
	}
	t, rest, ok := cutType(text)
	if !ok {
		return h, false
	}
	if rest, ok = h.ID.cutStamp(rest); !ok {
		return h, false
	}
	h.Type, h.Body = t, len(text)-len(rest)
	return h, true
}

func beginsLikeRecord(text []byte) bool {
	return bytes.HasPrefix(text, typePrefix) || bytes.HasPrefix(text, nodePrefix) || bytes.HasPrefix(text, hostPrefix)
}

// findStamped finds where a header begins behind other text.
func findStamped(text []byte) (at int, ok bool) {
	stamp := bytes.Index(text, []byte("audit("))
	if stamp < 0 {
		return 0, false
	}
	at = stamp
	if i := bytes.LastIndex(text[:stamp], typePrefix); i >= 0 {
		at = behindNode(text, i)
	}
	return at, true
}

// isFrame reports whether front, which stands behind a syslog header and in front
// of a record, is the kernel's time and "audit: ", or what has no blank in it,
// such as the name of a file. A serial console may have text before the time.
func isFrame(front, tag []byte) bool {
	if bytes.ContainsAny(front, `="'{`) {
		return false
	}
	if rest, ok := cutBrackets(front); ok {
		front = rest
	} else if _, rest, ok := bytes.Cut(front, []byte("] ")); ok && len(tag) == 0 {
		front = rest
	}
	front = bytes.TrimPrefix(bytes.TrimLeft(front, " \t"), []byte("kernel: "))
	front = bytes.TrimSuffix(front, []byte("audit: "))
	return !bytes.ContainsAny(front, " \t")
}

// behindNode moves at back over a node= field that stands in front of it.
func behindNode(text []byte, at int) int {
	for _, prefix := range [][]byte{nodePrefix, hostPrefix} {
		if i := bytes.LastIndex(text[:at], prefix); i >= 0 && bytes.IndexByte(text[i:at], ' ') == at-1-i {
			return i
		}
	}
	return at
}

// relaysAudit reports whether a program of this name hands audit records on:
// kernel, audit, auditd, audispd, audisp-syslog, auditbridge, and the names that
// people give to a file which their log daemon follows, such as audit_log.
func relaysAudit(tag []byte) bool {
	return string(tag) == "-" || bytes.HasPrefix(tag, []byte("kern")) || bytes.Contains(tag, []byte("audi"))
}
