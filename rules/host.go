package rules

import (
	"fmt"
	"os"
	"os/user"
	"strconv"

	"auditbridge/auditbridge/interpret"

	"golang.org/x/sys/unix"
)

// Host is what the words of a rule mean on a machine: which architecture b64 is,
// who has which id, and which paths are directories.
type Host struct {
	Arch  uint32 // AUDIT_ARCH_* of the kernel
	User  func(name string) (uid uint32, err error)
	Group func(name string) (gid uint32, err error)
	IsDir func(path string) bool
}

// ThisHost is the machine the program runs on.
func ThisHost() (*Host, error) {
	var uts unix.Utsname
	if err := unix.Uname(&uts); err != nil {
		return nil, fmt.Errorf("tell this machine's architecture: %w", err)
	}
	machine := unix.ByteSliceToString(uts.Machine[:])
	arch, ok := archNamed(machine)
	if !ok {
		return nil, fmt.Errorf("tell this machine's architecture: %q is not known", machine)
	}
	return &Host{
		Arch: arch,
		User: func(name string) (uint32, error) {
			u, err := user.Lookup(name)
			if err != nil {
				return 0, err
			}
			return id(u.Uid)
		},
		Group: func(name string) (uint32, error) {
			g, err := user.LookupGroup(name)
			if err != nil {
				return 0, err
			}
			return id(g.Gid)
		},
		IsDir: func(path string) bool {
			info, err := os.Stat(path)
			return err == nil && info.IsDir()
		},
	}, nil
}

func id(digits string) (uint32, error) {
	n, err := strconv.ParseUint(digits, 10, 32)
	return uint32(n), err
}

// aliases are the names that auditctl knows machines by, beside those of
// interpret.
var aliases = map[string]string{
	"i486": "i386", "i586": "i386", "i686": "i386",
	"armv5tejl": "arm", "armv5tel": "arm", "armv6l": "arm", "armv7l": "arm", "armv8l": "aarch64",
}

func archNamed(name string) (uint32, bool) {
	if alias := aliases[name]; alias != "" {
		name = alias
	}
	return interpret.ArchNamed(name)
}

// twins are the architectures with 64 bits whose kernels run programs of one
// with 32.
var twins = map[string]string{"x86_64": "i386", "ppc64": "ppc", "s390x": "s390", "aarch64": "arm", "riscv64": "riscv32"}

// wide is AUDIT_ARCH_64BIT.
const wide = 0x80000000

// twin is the architecture of 32 bits that is meant by b32 on one of 64.
func twin(arch uint32) (uint32, bool) {
	if name := twins[interpret.ArchName(arch)]; name != "" {
		return interpret.ArchNamed(name)
	}
	return 0, false
}

// readArch reads b64, b32, a machine's name or a number.
func (h *Host) readArch(word string) (uint32, error) {
	switch word {
	case "b64", "B64":
		if h.Arch&wide == 0 {
			return 0, complain("arch %q on a machine of 32 bits", word)
		}
		return h.Arch, nil
	case "b32", "B32":
		if h.Arch&wide == 0 {
			return h.Arch, nil
		}
		if arch, ok := twin(h.Arch); ok {
			return arch, nil
		}
		return 0, complain("%s runs no programs of 32 bits", interpret.ArchName(h.Arch))
	}
	if arch, ok := archNamed(word); ok {
		return arch, nil
	}
	if n, err := readNumber(word); err == nil && interpret.ArchName(n) != "" {
		return n, nil
	}
	return 0, complain("unknown arch %q", word).advise("b64, b32, or a machine as `uname -m` names it")
}

// showArch is the inverse of readArch. What is not this machine's is shown by
// its bits, as auditctl does, when there is one such only.
func (h *Host) showArch(arch uint32) string {
	if arch == h.Arch && arch&wide != 0 {
		return "b64"
	}
	if b32, ok := twin(h.Arch); arch == b32 && ok || arch == h.Arch {
		return "b32"
	}
	if name := interpret.ArchName(arch); name != "" {
		return name
	}
	return fmt.Sprintf("0x%X", arch)
}
