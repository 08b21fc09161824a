package rules

import "slices"

// plan is how the kernel's rules become others: the changes in their order. The
// kernel can put a rule only before or behind all others of its list, so a run of
// the wanted rules that is loaded in that order stays, and the rest is put around
// it. What is not wanted goes last: at no moment is less audited than both before
// and afterwards. A rule that must change its place is deleted right before it is
// added, in the same message to the kernel; it refuses one that it has. Yet it takes
// one again in front of all others, or with its comparisons in another order: of
// several that do the same only the last one counts, for what it is told to delete is
// the first, and the others are deleted before all else.
func plan(loaded, wanted []Line) (changes []Change) {
	changes = make([]Change, 0, len(wanted))
	for l := ListUser; l <= ListURing; l++ {
		changes = planList(changes, onList(loaded, l), onList(wanted, l))
	}
	return changes
}

// onList is the part of all, which are in the kernel's order, that is on a list.
func onList(all []Line, l List) []Line {
	from := slices.IndexFunc(all, func(line Line) bool { return line.Rule.List == l })
	if from < 0 {
		return nil
	}
	n := slices.IndexFunc(all[from:], func(line Line) bool { return line.Rule.List != l })
	if n < 0 {
		return all[from:]
	}
	return all[from : from+n]
}

func planList(changes []Change, loaded, wanted []Line) []Change {
	have, want := identities(loaded), identities(wanted)
	at := places(have)
	for i := 0; i < len(have) && len(at) < len(have); i++ {
		if at[have[i]] != i {
			changes = append(changes, Change{Delete: true, Rule: loaded[i].Rule})
		}
	}
	from, to := longestRun(at, want)
	put := func(i int, prepend bool) {
		if place, ok := at[want[i]]; ok {
			changes = append(changes, Change{Delete: true, Rule: loaded[place].Rule})
		}
		r := wanted[i].Rule
		r.Prepend = prepend
		changes = append(changes, Change{Rule: r})
	}
	for i := from - 1; i >= 0; i-- {
		put(i, true)
	}
	for i := to; i < len(wanted); i++ {
		put(i, false)
	}
	if len(loaded) == 0 {
		return changes
	}
	meant := places(want)
	for i := range loaded {
		if _, ok := meant[have[i]]; !ok && at[have[i]] == i {
			changes = append(changes, Change{Delete: true, Rule: loaded[i].Rule})
		}
	}
	return changes
}

func identities(lines []Line) []identity {
	all := make([]identity, len(lines))
	for i := range lines {
		all[i] = lines[i].identity()
	}
	return all
}

// once leaves the first of several rules that do the same: it is the one that
// decides.
func once(lines []Line) []Line {
	seen := make(map[identity]bool, len(lines))
	return slices.DeleteFunc(slices.Clone(lines), func(l Line) bool {
		id := l.identity()
		again := seen[id]
		seen[id] = true
		return again
	})
}

// places says where in a list each rule is, the last time.
func places(ids []identity) map[identity]int {
	at := make(map[identity]int, len(ids))
	for i, id := range ids {
		at[id] = i
	}
	return at
}

// longestRun finds the longest stretch want[from:to] that is loaded in that
// order, whatever else stands between; place is where each loaded rule is.
func longestRun(place map[identity]int, want []identity) (from, to int) {
	for start := 0; start < len(want); {
		end, last := start, -1
		for end < len(want) {
			at, ok := place[want[end]]
			if !ok || at <= last {
				break
			}
			end, last = end+1, at
		}
		if end-start > to-from {
			from, to = start, end
		}
		start = max(end, start+1)
	}
	return from, to
}
