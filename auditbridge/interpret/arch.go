package interpret

// An arch is one value of arch=: the ELF machine, with bit 31 for 64 bits and
// bit 30 for little endian (include/uapi/linux/audit.h, AUDIT_ARCH_*).
type arch struct {
	value uint32
	name  string // as ausearch and uname -m have it
	calls string // column in syscalls.txt, "" when there is none
}

// is64Bit is __AUDIT_ARCH_64BIT.
const is64Bit = 0x80000000

var arches = []arch{
	{0xC000003E, "x86_64", "x86_64"},
	{0x40000003, "i386", "i386"},
	{0xC00000B7, "aarch64", "aarch64"},
	{0x40000028, "arm", "arm"},
	{0x00000028, "armeb", "arm"},
	{0xC0000015, "ppc64le", "ppc64"},
	{0x80000015, "ppc64", "ppc64"},
	{0x00000014, "ppc", "ppc"},
	{0x80000016, "s390x", "s390x"},
	{0x00000016, "s390", "s390"},
	{0xC00000F3, "riscv64", "riscv64"},
	{0x400000F3, "riscv32", ""},
	{0xC0000102, "loongarch64", "loongarch64"},
	{0x00000008, "mips", ""},
	{0x40000008, "mipsel", ""},
	{0x80000008, "mips64", ""},
	{0xC0000008, "mips64el", ""},
	{0xA0000008, "mips64n32", ""},
	{0xE0000008, "mips64eln32", ""},
	{0xC0000032, "ia64", ""},
	{0xC0009026, "alpha", ""},
	{0x0000000F, "parisc", ""},
	{0x8000000F, "parisc64", ""},
	{0x00000002, "sparc", ""},
	{0x8000002B, "sparc64", ""},
	{0x0000002A, "sh", ""},
	{0x4000002A, "shel", ""},
	{0x00000004, "m68k", ""},
	{0x400000FC, "csky", ""},
}

// ArchName names a value of arch=, "" when it is not known.
func ArchName(value uint32) string {
	if a := archOf(value); a != nil {
		return a.name
	}
	return ""
}

func archOf(value uint32) *arch {
	for i := range arches {
		if arches[i].value == value {
			return &arches[i]
		}
	}
	return nil
}

// readArch reads arch= as the kernel writes it, in hex, or as a name, which
// some programs put in its place. It returns nil when it is not known.
func readArch(v []byte) *arch {
	if n, ok := number(v, 16); ok && n <= 0xFFFFFFFF {
		return archOf(uint32(n))
	}
	for i := range arches {
		if arches[i].name == string(v) {
			return &arches[i]
		}
	}
	return nil
}

// ArchNamed is the inverse of ArchName.
func ArchNamed(name string) (value uint32, ok bool) {
	for i := range arches {
		if arches[i].name == name {
			return arches[i].value, true
		}
	}
	return 0, false
}
