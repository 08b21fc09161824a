package rules

import (
	"slices"

	"auditbridge/auditbridge"
	"auditbridge/auditbridge/interpret"
)

// Sample is a system call as the kernel sees it when it ends, or a record, to
// ask rules about: would they audit it?
type Sample struct {
	Arch uint32
	Call string                 // "" of a record that needs no rule
	Type auditbridge.RecordType // of that record

	Exit int32 // what the call returned
	Args [4]uint32
	AUID uint32
	UID  uint32 // and gid
	EUID uint32 // and egid, and those of the file system
	Exe  string

	Path    string // what the call touched
	Touched uint32 // how: the bits of -p
}

// Caught is the first rule that matches the sample: the one that decides. It
// returns nil when there is none, or when that one keeps it from being audited.
// What the sample does not say matches no rule.
func (d *Desired) Caught(s *Sample) *Line {
	for i := range d.Rules {
		if r := &d.Rules[i].Rule; r.List == ListExit && r.matches(s) {
			if r.Action == Never {
				return nil
			}
			return &d.Rules[i]
		}
	}
	return nil
}

// Excluded is the rule that keeps a record from being written, nil when there is
// none.
func (d *Desired) Excluded(t auditbridge.RecordType) *Line {
	for i := range d.Rules {
		r := &d.Rules[i].Rule
		if r.List == ListExclude && len(r.Fields) == 1 && r.Fields[0].ID == fieldType && r.Fields[0].compare(uint32(t)) {
			return &d.Rules[i]
		}
	}
	return nil
}

func (r *Rule) matches(s *Sample) bool {
	nr, ok := interpret.SyscallNumber(s.Arch, s.Call)
	return ok && r.Calls.has(nr) && !slices.ContainsFunc(r.Fields, func(f Field) bool { return !f.matches(s) })
}

// matches tells whether the comparison holds of the sample.
func (f Field) matches(s *Sample) bool {
	switch f.ID {
	case fieldKey:
		return true
	case fieldArch:
		return f.compare(s.Arch)
	case fieldExit:
		return f.compareSigned(s.Exit)
	case fieldSuccess:
		return f.compare(map[bool]uint32{true: 1}[s.Exit >= 0])
	case fieldAUID:
		return f.compare(s.AUID)
	case fieldUID, fieldGID:
		return f.compare(s.UID)
	case fieldEUID, fieldEGID, fieldFSUID, fieldFSGID:
		return f.compare(s.EUID)
	case fieldCompare:
		return f.comparesProcess() && (s.UID == s.EUID) == (f.Op == Equal)
	case fieldExe:
		return (f.Text == s.Exe) == (f.Op == Equal)
	case fieldPath:
		return f.Text == s.Path
	case fieldDir:
		return s.Path != "" && under(s.Path, f.Text)
	case fieldPerm:
		return f.Value&s.Touched != 0
	case fieldA0, fieldA0 + 1, fieldA0 + 2, fieldA0 + 3:
		return f.compare(s.Args[f.ID-fieldA0])
	}
	return false
}

// comparesProcess tells whether it is the real id with the effective one.
func (f Field) comparesProcess() bool {
	name := values["compare"].name[f.Value]
	return name == "uid=euid" || name == "gid=egid"
}

// compare compares as the kernel does (kernel/auditfilter.c, audit_comparator).
func (f Field) compare(have uint32) bool {
	switch want := f.Value; f.Op {
	case Equal:
		return have == want
	case NotEqual:
		return have != want
	case Mask:
		return have&want != 0
	case Test:
		return have&want == want
	case greaterOrEqual:
		return have >= want
	case lessOrEqual:
		return have <= want
	case greater:
		return have > want
	case less:
		return have < want
	}
	return false
}

// compareSigned compares what a call returned: an error is a negative number.
func (f Field) compareSigned(have int32) bool {
	const middle = 1 << 31
	f.Value += middle
	return f.compare(uint32(have) + middle)
}
