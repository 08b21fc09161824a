package warning

import "os"

// unitDirs are where systemd finds units, each before what it hides (systemd.unit(5)).
var unitDirs = []string{"etc", "run", "usr/lib", "lib"}

// unitThere says that systemd knows a unit of that name which is not masked.
func (h Host) unitThere(unit string) bool {
	for _, dir := range unitDirs {
		file := h.path(dir + "/systemd/system/" + unit)
		if _, err := os.Lstat(file); err == nil {
			return !masked(file)
		}
	}
	return false
}

// dropInHolds says that a drop-in is in force: as it was installed, for whoever
// writes another one of its name has it as he wants it.
func (h Host) dropInHolds(name string) bool {
	for _, dir := range unitDirs {
		if _, err := os.Lstat(h.path(dir + "/systemd/system/" + name)); err == nil {
			return dir != "etc" && dir != "run"
		}
	}
	return false
}

func masked(file string) bool {
	to, err := os.Readlink(file)
	return err == nil && to == "/dev/null"
}
