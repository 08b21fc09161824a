package jsonline

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"auditbridge/auditbridge"
)

// checkRoundTrip reads an event's JSON as docs/format/json.md tells a reader to,
// and returns what it says otherwise than the event's records.
func checkRoundTrip(text []byte, e *auditbridge.Event) error {
	if bytes.IndexByte(text, '\n') != len(text)-1 {
		return fmt.Errorf("not one line")
	}
	var event struct {
		Node    string
		Serial  uint32
		Records []json.RawMessage
	}
	if err := json.Unmarshal(text, &event); err != nil {
		return err
	}
	if len(event.Records) != len(e.Records) {
		return fmt.Errorf("%d records of %d", len(event.Records), len(e.Records))
	}
	for i, raw := range event.Records {
		if err := checkRecord(raw, &e.Records[i]); err != nil {
			return fmt.Errorf("record %d, %q: %w", i, e.Records[i].Line, err)
		}
	}
	return nil
}

type part map[string]json.RawMessage

// checkRecord compares every key, every value and every word.
func checkRecord(raw json.RawMessage, r *auditbridge.Record) error {
	if err := noRepeatedMember(raw); err != nil {
		return err
	}
	var record struct {
		Type     *string
		Line     *string
		LineHex  string `json:"line_hex"`
		Fields   part
		Resolved part
		Hex      struct{ Fields, Resolved part }
	}
	if err := json.Unmarshal(raw, &record); err != nil {
		return err
	}
	if r.Body == 0 {
		if line := exactly(*record.Line, record.LineHex); line != string(r.Line) {
			return fmt.Errorf("line %q", line)
		}
		return nil
	}
	if record.Type == nil || *record.Type != string(r.TypeName()) {
		return fmt.Errorf("type %v", record.Type)
	}
	claims, claimsHex := inner(record.Fields), inner(record.Hex.Fields)
	for _, side := range []struct {
		name        string
		got, gotHex part
		want        auditbridge.Fields
	}{
		{"stamped", record.Fields, record.Hex.Fields, r.Stamped()},
		{"claimed", claims, claimsHex, r.Claims()},
		{"resolved", record.Resolved, record.Hex.Resolved, r.Resolved()},
	} {
		if err := checkPart(side.got, side.gotHex, side.want, r.Type); err != nil {
			return fmt.Errorf("%s: %w", side.name, err)
		}
	}
	return nil
}

// inner takes msg out of fields.
func inner(fields part) (claims part) {
	json.Unmarshal(fields["msg"], &claims)
	delete(fields, "msg")
	return claims
}

func checkPart(got, gotHex part, f auditbridge.Fields, t auditbridge.RecordType) error {
	want := map[string][]string{}
	var words []string
	for f.Next() {
		value := string(f.AppendDecoded(nil, t))
		if t == typeProctitle && string(f.Key) == "proctitle" {
			value = string(f.AppendDecoded(nil, 0))
		}
		switch {
		case len(f.Key) > 0:
			want[string(f.Key)] = append(want[string(f.Key)], value)
		case f.Form == auditbridge.Braced:
			words = append(words, "{ "+value+" }")
		default:
			words = append(words, value)
		}
	}
	if words != nil {
		want[""] = []string{strings.Join(words, " ")}
	}
	for name, raw := range got {
		key := keyOf(name)
		values, err := valuesOf(raw, gotHex[name], t == typeProctitle && key == "proctitle")
		if err != nil || !slices.Equal(values, want[key]) {
			return fmt.Errorf("%s is %q in %s (%s), want %q, %v", key, values, raw, gotHex[name], want[key], err)
		}
		delete(want, key)
	}
	if len(want) > 0 {
		return fmt.Errorf("missing: %q", want)
	}
	return nil
}

// keyOf is the key that a member stands for.
func keyOf(name string) string {
	switch key, marked := strings.CutSuffix(name, "="); {
	case name == "text":
		return "" // the words without a key
	case !marked:
		return name
	case key == "text" || key == "msg":
		return key
	default:
		return exactly("", key)
	}
}

func exactly(text, inHex string) string {
	if inHex == "" {
		return text
	}
	b, err := hex.DecodeString(inHex)
	if err != nil {
		return err.Error()
	}
	return string(b)
}

// valuesOf reads the values of one key: text unless there is hex for it.
func valuesOf(text, inHex json.RawMessage, title bool) (values []string, err error) {
	var list []json.RawMessage
	if json.Unmarshal(text, &list) != nil || title && !bytes.HasPrefix(text, []byte("[[")) {
		list = []json.RawMessage{text}
		if inHex != nil {
			inHex = slices.Concat([]byte("["), inHex, []byte("]"))
		}
	}
	exact := make([]*string, len(list))
	if inHex != nil {
		if err := json.Unmarshal(inHex, &exact); err != nil || len(exact) != len(list) {
			return nil, fmt.Errorf("hex %s for %s: %v", inHex, text, err)
		}
	}
	for i, raw := range list {
		value, err := valueOf(raw, title)
		if exact[i] != nil {
			var b []byte
			b, err = hex.DecodeString(*exact[i])
			value = string(b)
		}
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

func valueOf(raw json.RawMessage, title bool) (value string, err error) {
	if title {
		var arguments []string
		err = json.Unmarshal(raw, &arguments)
		return strings.Join(arguments, "\x00"), err
	}
	if raw[0] == '{' {
		var address struct{ Hex string }
		err = json.Unmarshal(raw, &address)
		return address.Hex, err
	}
	err = json.Unmarshal(raw, &value)
	return value, err
}

// noRepeatedMember makes sure that no reader has to choose.
func noRepeatedMember(raw json.RawMessage) error {
	d := json.NewDecoder(bytes.NewReader(raw))
	type level struct {
		members map[string]bool
		key     bool
	}
	var levels []level
	for {
		token, err := d.Token()
		if err != nil {
			return nil // the end; what is no JSON fails elsewhere
		}
		top := len(levels) - 1
		switch token := token.(type) {
		case json.Delim:
			if token == '}' || token == ']' {
				levels = levels[:top]
				if top--; top >= 0 {
					levels[top].key = levels[top].members != nil
				}
				continue
			}
			l := level{key: token == '{'}
			if l.key {
				l.members = map[string]bool{}
			}
			levels = append(levels, l)
			continue
		case string:
			if levels[top].key {
				if levels[top].members[token] {
					return fmt.Errorf("member %q twice", token)
				}
				levels[top].members[token], levels[top].key = true, false
				continue
			}
		}
		levels[top].key = levels[top].members != nil
	}
}
