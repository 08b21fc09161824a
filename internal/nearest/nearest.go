// Package nearest finds the word that somebody meant who wrote another.
package nearest

// Word is the word at the smallest edit distance from name, "" when even
// that is more than a third of name away.
func Word(name string, words []string) string {
	best, least := "", max(1, len(name)/3)+1
	for _, w := range words {
		if d := Distance(name, w); d < least {
			best, least = w, d
		}
	}
	return best
}

// Distance is the edit distance in which exchanging two neighbours, the
// commonest slip, counts one (optimal string alignment).
func Distance(a, b string) int {
	if len(a) > 64 || len(b) > 64 {
		return max(len(a), len(b))
	}
	rows := make([][]int, len(a)+1)
	for i := range rows {
		rows[i] = make([]int, len(b)+1)
		rows[i][0] = i
	}
	for j := range rows[0] {
		rows[0][j] = j
	}
	for i := 1; i <= len(a); i++ {
		for j := 1; j <= len(b); j++ {
			differ := 1
			if a[i-1] == b[j-1] {
				differ = 0
			}
			d := min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+differ)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				d = min(d, rows[i-2][j-2]+1)
			}
			rows[i][j] = d
		}
	}
	return rows[len(a)][len(b)]
}
