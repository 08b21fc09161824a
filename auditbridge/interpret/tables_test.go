package interpret

import (
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
)

// goarch is Go's name of a column of syscalls.txt.
var goarch = map[string]string{
	"x86_64": "amd64", "i386": "386", "aarch64": "arm64", "arm": "arm", "ppc64": "ppc64", "ppc": "ppc",
	"s390x": "s390x", "riscv64": "riscv64", "loongarch64": "loong64",
}

// unixFile reads a file of golang.org/x/sys/unix, as go.mod has it.
func unixFile(t *testing.T, name string) string {
	t.Helper()
	dir, err := exec.Command("go", "list", "-f", "{{.Dir}}", "golang.org/x/sys/unix").Output()
	if err != nil {
		t.Fatal("find golang.org/x/sys/unix:", err)
	}
	text, err := os.ReadFile(filepath.Join(strings.TrimSpace(string(dir)), name))
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

// TestSyscallsAreThoseOfTheKernel: the tables are what `go generate` makes of the
// version in go.mod, and syscalls_more.txt takes no number away from it.
func TestSyscallsAreThoseOfTheKernel(t *testing.T) {
	constant := regexp.MustCompile(`(?m)^\s+SYS_(\w+)\s+= (\d+)$`)
	for column, arch := range goarch {
		for _, m := range constant.FindAllStringSubmatch(unixFile(t, "zsysnum_linux_"+arch+".go"), -1) {
			name := strings.ToLower(m[1])
			if name == "arch_specific_syscall" || name == "syscall_mask" {
				continue
			}
			nr, _ := strconv.Atoi(m[2])
			if c := calls().in(column).byNumber()[nr]; c == nil || c.name != name {
				t.Errorf("%s %d is %v, want %s", column, nr, c, name)
			}
		}
	}
}

// TestNamesHaveTheKernelsValues compares names.txt with golang.org/x/sys/unix on
// every architecture, name by name, where that has the name.
func TestNamesHaveTheKernelsValues(t *testing.T) {
	compared := 0
	for column, arch := range goarch {
		values := constants(t, arch)
		for _, name := range slices.Sorted(maps.Keys(words().tables)) {
			table := words().tables[name]
			if variant := table.variants[column]; variant != nil {
				table = variant
			}
			for _, e := range inForce(table) {
				want, ok := values[e.name]
				if !ok || notTheSame[e.name] {
					continue
				}
				compared++
				if uint32(want) != uint32(e.value) {
					t.Errorf("[%s] on %s: %s is %#x, want %#x", name, column, e.name, e.value, want)
				}
			}
		}
	}
	if compared < 5000 {
		t.Errorf("only %d values compared", compared)
	}
}

// inForce are the entries of a table and, if it is a variant, those names of its
// base that it does not replace.
func inForce(t *table) []entry {
	if t.base == nil {
		return t.entries
	}
	entries := slices.Clone(t.entries)
	for _, e := range t.base.entries {
		if t.lookup(e.value) == e.name {
			entries = append(entries, e)
		}
	}
	return entries
}

// notTheSame are names that mean to programs what is handy there, not what the
// kernel is told: with 64 bits all files may be large.
var notTheSame = map[string]bool{
	"O_LARGEFILE": true, "F_GETLK": true, "F_SETLK": true, "F_SETLKW": true,
	"F_GETLK64": true, "F_SETLK64": true, "F_SETLKW64": true,
}

func constants(t *testing.T, arch string) map[string]uint64 {
	t.Helper()
	constant := regexp.MustCompile(`(?m)^\s+([A-Z]\w+)\s+= (?:Signal\()?(-?(?:0x)?[0-9a-fA-F]+)\)?$`)
	values := map[string]uint64{}
	for _, file := range []string{"zerrors_linux.go", "zerrors_linux_" + arch + ".go", "ztypes_linux.go"} {
		for _, m := range constant.FindAllStringSubmatch(unixFile(t, file), -1) {
			values[m[1]] = readValue(m[2])
		}
	}
	return values
}

func TestArchNames(t *testing.T) {
	for _, row := range []struct {
		value uint32
		name  string
	}{
		{0xC000003E, "x86_64"}, {0x40000003, "i386"}, {0xC00000B7, "aarch64"}, {0x40000028, "arm"}, {0xC0000015, "ppc64le"},
		{0x80000015, "ppc64"}, {0x80000016, "s390x"}, {0x16, "s390"}, {0xC00000F3, "riscv64"}, {0, ""}, {0xFFFFFFFF, ""},
	} {
		if got := ArchName(row.value); got != row.name {
			t.Errorf("%#x is %q, want %q", row.value, got, row.name)
		}
	}
}

// TestSyscallNames has a call or two of each architecture, as the kernel's own
// tables have them.
func TestSyscallNames(t *testing.T) {
	for _, row := range []struct {
		arch string
		nr   int
		want string
	}{
		{"x86_64", 59, "execve"}, {"x86_64", 257, "openat"}, {"x86_64", x32Bit | 59, "execve"}, {"x86_64", x32Bit | 1, "write"},
		{"x86_64", x32Bit | 520, "execve"}, {"x86_64", 520, ""}, {"x86_64", -1, ""},
		{"i386", 11, "execve"}, {"i386", 102, "socketcall"}, {"aarch64", 221, "execve"}, {"aarch64", 244, ""},
		{"arm", 11, "execve"}, {"arm", 983045, "set_tls"}, {"ppc64le", 11, "execve"}, {"ppc64le", 192, ""}, {"ppc", 192, "mmap2"},
		{"s390x", 199, "getuid"}, {"s390", 199, "getuid32"}, {"s390", 24, "getuid"}, {"s390x", 24, ""}, {"s390", 11, "execve"},
		{"riscv64", 221, "execve"}, {"riscv64", 258, "riscv_hwprobe"}, {"mips", 4011, ""},
	} {
		i := slices.IndexFunc(arches, func(a arch) bool { return a.name == row.arch })
		if got := SyscallName(arches[i].value, row.nr); got != row.want {
			t.Errorf("%s %d is %q, want %q", row.arch, row.nr, got, row.want)
		}
	}
}
