package summary

import (
	"bytes"
	"fmt"
	"strings"

	"auditbridge/auditbridge"
)

// phrase is the object column of a row, taken apart.
type phrase []piece

// piece is words, a part that may be left out, or a choice of fields.
type piece struct {
	words    string
	optional phrase
	fields   []field
}

// field is what a choice names: a field of the record, or what is made of more.
type field struct {
	how how
	key string // the field's, or the argument's
}

// how a field is shown.
type how uint8

const (
	asText how = iota
	asUser
	asGroup
	asMeaning
	asType
	asPath
	asFrom
	asTo
	asCommand
	asArguments
	asSocket
	asTarget
	asPID
	asAllowed
	asCall
	asMessage
	asUnknown
)

var hows = map[string]how{
	"USER": asUser, "GROUP": asGroup, "ARG": asMeaning, "TYPE": asType, "PATH": asPath, "FROM": asFrom, "TO": asTo,
	"COMMAND": asCommand, "ARGUMENTS": asArguments, "SOCKET": asSocket, "TARGET": asTarget, "PID": asPID, "ALLOWED": asAllowed, "CALL": asCall, "MESSAGE": asMessage,
}

// parsePhrase takes an object column apart.
func parsePhrase(text string) (phrase, error) {
	var p phrase
	for text != "" {
		switch i := strings.IndexAny(text, "[{"); {
		case i < 0:
			return append(p, piece{words: text}), nil
		case i > 0:
			p = append(p, piece{words: text[:i]})
			text = text[i:]
		case text[0] == '[':
			inner, rest, ok := strings.Cut(text[1:], "]")
			optional, err := parsePhrase(inner)
			if !ok || err != nil {
				return nil, fmt.Errorf("optional part %q: %v", inner, err)
			}
			p, text = append(p, piece{optional: optional}), rest
		default:
			inner, rest, ok := strings.Cut(text[1:], "}")
			if !ok {
				return nil, fmt.Errorf("fields without end: %q", text)
			}
			p, text = append(p, parseFields(inner)), rest
		}
	}
	return p, nil
}

func parseFields(text string) piece {
	names, otherwise, _ := strings.Cut(text, ":")
	p := piece{words: strings.TrimSpace(otherwise)}
	for _, name := range strings.Fields(names) {
		kind, key, ok := strings.Cut(name, "=")
		switch {
		case ok:
			if _, known := hows[kind]; !known {
				p.fields = append(p.fields, field{asUnknown, name})
				continue
			}
			p.fields = append(p.fields, field{hows[kind], key})
		case name == strings.ToUpper(name):
			h, known := hows[name]
			if !known {
				h = asUnknown
			}
			p.fields = append(p.fields, field{h, ""})
		default:
			p.fields = append(p.fields, field{asText, name})
		}
	}
	return p
}

// appendPhrase appends p and reports whether a field in it said something.
func (s *sentence) appendPhrase(dst []byte, p phrase) (_ []byte, said bool) {
	for i := range p {
		piece := &p[i]
		switch {
		case piece.fields != nil:
			n := len(dst)
			if dst = s.appendFirst(dst, piece.fields); len(dst) > n {
				said = true
				continue
			}
			dst = append(dst, piece.words...)
		case piece.optional != nil:
			n := len(dst)
			dst = trimBlankBefore(dst, piece.optional)
			kept, ok := s.appendPhrase(dst, piece.optional)
			if ok {
				dst, said = kept, true
				continue
			}
			dst = dst[:n]
		default:
			dst = append(dst, piece.words...)
		}
	}
	return dst, said
}

// trimBlankBefore takes away the blank behind the verb when an optional part,
// which brings its own, comes first.
func trimBlankBefore(dst []byte, p phrase) []byte {
	if p[0].fields == nil && p[0].words != "" && strings.IndexByte(" ,:", p[0].words[0]) >= 0 {
		return trimBlank(dst)
	}
	return dst
}

// appendFirst appends the first of fields that says something.
func (s *sentence) appendFirst(dst []byte, fields []field) []byte {
	for i := range fields {
		n := len(dst)
		if dst = s.appendField(dst, &fields[i]); len(dst) > n {
			return dst
		}
	}
	return dst
}

func (s *sentence) appendField(dst []byte, f *field) []byte {
	switch f.how {
	case asType:
		return appendTypeName(dst, s.deciding.TypeName())
	case asPath:
		return s.appendPath(dst, s.onlyPath(), f.key)
	case asFrom:
		return s.appendPath(dst, s.oldPath(), f.key)
	case asTo:
		return s.appendPath(dst, s.newPath(), f.key)
	case asCommand:
		return s.appendCommand(dst, f.key)
	case asArguments:
		return s.appendArguments(dst, 0)
	case asSocket:
		return s.appendSocket(dst)
	case asTarget:
		return s.appendTarget(dst)
	case asAllowed:
		return s.appendAllowed(dst)
	case asCall:
		return s.appendCall(dst)
	case asMessage:
		text, _, _ := bytes.Cut(s.deciding.Message(), []byte(" exe="))
		return appendNonEmpty(dst, text)
	}
	v, ok := s.find(f.key)
	if !ok {
		return dst
	}
	switch f.how {
	case asUser:
		return s.appendUser(dst, "user ", s.deciding, &v)
	case asGroup:
		return s.appendUser(dst, "", s.deciding, &v)
	case asPID:
		return appendPID(dst, &v)
	case asMeaning:
		return s.appendMeaning(dst, s.deciding, &v)
	}
	if f.key == "acct" && auditbridge.IsUnknownAccount(v.Value) {
		return append(dst, "unknown user"...)
	}
	return appendValue(dst, s.deciding, &v)
}

// find goes to the first field called key that says something; of LOGIN's two
// auid, which old kernels wrote, to the second, the new one.
func (s *sentence) find(key string) (found auditbridge.Fields, ok bool) {
	last := s.deciding.Type == typeLogin && key == "auid"
	for f := s.fields(); f.Find(key); {
		if !auditbridge.IsPlaceholder(f.Value) {
			if found, ok = f, true; !last {
				break
			}
		}
	}
	return found, ok
}

// appendTypeName appends a type's name as the line has it; one that has no name
// is UNKNOWN[n].
func appendTypeName(dst, name []byte) []byte {
	if digits, ok := bytes.CutPrefix(name, []byte("UNKNOWN[")); ok && len(bytes.Trim(digits, "0123456789")) == 1 {
		return append(dst, name...)
	}
	return appendWord(dst, name)
}

func appendNonEmpty(dst, text []byte) []byte {
	if len(text) == 0 {
		return dst
	}
	return appendWord(dst, text)
}

// appendMeaning appends what a number means, else the number.
func (s *sentence) appendMeaning(dst []byte, r *auditbridge.Record, f *auditbridge.Fields) []byte {
	start := len(dst)
	dst, ok := s.in.AppendValue(dst, s.event, r, f)
	if !ok {
		return appendWord(dst, f.Value)
	}
	return quoteFrom(dst, start)
}
