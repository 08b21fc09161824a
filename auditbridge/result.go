package auditbridge

import (
	"bytes"
	"strconv"
	"sync"
)

// Result is how what an event tells of went.
type Result uint8

const (
	NoResult Result = iota // the event does not say
	Success
	Fail
)

var resultNames = [...]string{NoResult: "", Success: "success", Fail: "fail"}

func (r Result) String() string { return nameAt(resultNames[:], int(r)) }

// resultOf finds how the event went and, when it failed, why: as its deciding
// record says, else as the system call it happened in says.
func resultOf(e *Event, deciding int) (Result, []byte) {
	r := &e.Records[deciding]
	result := recordResult(r)
	call := syscallOf(e)
	if result == NoResult && call != nil {
		result = callResult(call)
	}
	if result != Fail {
		return result, nil
	}
	if why := programReason(r); why != nil {
		return Fail, why
	}
	if call != nil {
		if why := errnoReason(call); why != nil {
			return Fail, why
		}
	}
	return Fail, typeReason(r)
}

func syscallOf(e *Event) *Record {
	for i := range e.Records {
		if kindOf(e.Records[i].Type).role == Syscall {
			return &e.Records[i]
		}
	}
	return nil
}

// recordResult reads the result a record itself carries.
func recordResult(r *Record) Result {
	if kindOf(r.Type).role == Syscall {
		return callResult(r)
	}
	if result := claimedResult(r.Message()); result != NoResult {
		return result
	}
	result := NoResult
	for f := r.Stamped(); f.Next(); {
		result = fieldResult(&f, result)
	}
	for f := r.Claims(); f.Next(); {
		result = fieldResult(&f, result)
	}
	switch r.Type {
	case typeSELinuxErr, typeLandlockAccess: // written on a refusal only
		if result == NoResult {
			return Fail
		}
	case typeAnomAbend: // a program died; its res= says that this was recorded
		return Fail
	}
	return result
}

const (
	typeAnomAbend      RecordType = 1701
	typeSELinuxErr     RecordType = 1401
	typeLandlockAccess RecordType = 1423
)

// claimedResult is the short way to res=. libaudit writes it last, so the last
// one holds, whatever a program's text before it says.
func claimedResult(claimed []byte) Result {
	i := bytes.LastIndex(claimed, []byte(" res="))
	if i < 0 {
		return NoResult
	}
	return wordResult(withoutNames(claimed[i+len(" res="):]), NoResult)
}

// withoutNames cuts what is no part of a result behind it: a bracket, a quote,
// and the names of enriched records where the separator before them was lost, as
// it is when people copy a log: "success'UID=", "1AUID=".
func withoutNames(v []byte) []byte {
	for i, c := range v {
		switch {
		case c == ')' || c == '\'' || c == ' ':
			return v[:i]
		case i > 0 && 'A' <= c && c <= 'Z' && bytes.IndexByte(v[i:], '=') > 0:
			return v[:i]
		}
	}
	return v
}

// fieldResult returns what one field says of the result, else what was known.
func fieldResult(f *Fields, known Result) Result {
	switch string(f.Key) {
	case "res", "result", "success", "seresult":
		return wordResult(withoutNames(f.Value), known)
	case "":
		if string(f.Value) == "denied" || string(f.Value) == "granted" {
			return wordResult(f.Value, known)
		}
	case "apparmor":
		return wordResult(f.Value, known)
	case "permissive":
		if known == Fail && string(f.Value) == "1" {
			return Success // would have been denied, was let through
		}
	case "resp": // FANOTIFY: 1 allows, 2 denies
		if string(f.Value) == "2" {
			return Fail
		}
		return wordResult(f.Value, known)
	case "rule": // IPE_ACCESS
		if bytes.Contains(f.Value, []byte("action=DENY")) {
			return Fail
		}
	case "sig": // SECCOMP
		if string(f.Value) != "0" {
			return Fail
		}
	}
	return known
}

func wordResult(word []byte, known Result) Result {
	switch string(word) {
	case "success", "yes", "1", "Success", "granted", "ALLOWED", "AUDIT", "STATUS", "successful":
		return Success
	case "failed", "no", "0", "Failed", "Failure", "failure", "fail", "denied", "DENIED", "ERROR", "KILLED":
		return Fail
	}
	return known
}

// callResult reads success=, which is missing when a call never returned.
func callResult(r *Record) Result {
	return wordResult(bytes.Trim(callField(r, "success="), `"`), NoResult)
}

// callField is the short way to a field of a syscall record, of which there are
// many: in those no value holds a blank, so the first word that begins so is the field.
func callField(r *Record, key string) []byte {
	text := r.text()
	i := findKey(text, []byte(key))
	if i < 0 {
		return nil
	}
	v := text[i+len(key):]
	for i, c := range v {
		if c == ' ' || c == 0x1d {
			return v[:i]
		}
	}
	return v
}

var (
	reasonUnknownUser    = []byte("unknown user")
	reasonAuthentication = []byte("authentication failed")
	reasonAccount        = []byte("account refused")
	reasonCredentials    = []byte("credentials refused")
	reasonSession        = []byte("session refused")
	reasonLogin          = []byte("login refused")
	reasonPassword       = []byte("password change refused")
	reasonAccess         = []byte("access denied")
	reasonSignal         = []byte("killed by a signal")
	reasonRefused        = []byte("refused")
)

// programReason is the reason in the program's or the kernel's own words.
func programReason(r *Record) []byte {
	if v, ok := r.Claims().Lookup("acct"); ok && IsUnknownAccount(v) {
		return reasonUnknownUser
	}
	if v, ok := r.Claims().Lookup("reason"); ok && !IsPlaceholder(v) {
		return v
	}
	if v, ok := r.Stamped().Lookup("reason"); ok && !IsPlaceholder(v) {
		return v
	}
	return nil
}

// IsUnknownAccount knows what sshd, login and PAM write for a name that is no
// account: an attacker may have typed a password there, so they hide it.
func IsUnknownAccount(v []byte) bool {
	switch string(v) {
	case "(unknown)", "(unknown user)", "(invalid user)", "(invalid)", "UNKNOWN",
		"28756E6B6E6F776E207573657229", "28696E76616C6964207573657229":
		return true
	}
	return false
}

// typeReason says what kind of refusal it was, for want of anything better.
func typeReason(r *Record) []byte {
	switch kindOf(r.Type).msgID {
	case "AUTHENTICATION":
		return reasonAuthentication
	case "AUTHORIZATION":
		return reasonAccount
	case "CREDENTIALS":
		return reasonCredentials
	case "SESSION_START", "SESSION_END":
		return reasonSession
	case "LOGIN":
		return reasonLogin
	case "PASSWORD_CHANGE":
		return reasonPassword
	case "ACCESS_DECISION":
		return reasonAccess
	case "SECCOMP", "ANOMALY":
		if _, ok := r.Stamped().Lookup("sig"); ok {
			return reasonSignal
		}
	}
	return reasonRefused
}

// errnoReason names the error a failed call returned.
func errnoReason(r *Record) []byte {
	v := callField(r, "exit=")
	if len(v) < 2 || v[0] != '-' {
		return nil
	}
	n := 0
	for _, c := range v[1:] {
		if c < '0' || c > '9' || n >= len(errnoReasons()) {
			return nil
		}
		n = 10*n + int(c-'0')
	}
	if n >= len(errnoReasons()) {
		return nil
	}
	return errnoReasons()[n]
}

// errnoReasons are the names of Linux's errors, as bytes once and for all.
var errnoReasons = sync.OnceValue(func() [][]byte {
	names := make([][]byte, len(errnos()))
	for n, e := range errnos() {
		if names[n] = []byte(e.name); len(names[n]) == 0 {
			names[n] = []byte("errno " + strconv.Itoa(n))
		}
	}
	return names
})
