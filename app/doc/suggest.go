package doc

import (
	"slices"
	"strings"
)

// Names returns the keys of a map in their order.
func (m *Map) Names() []string {
	if m == nil {
		return nil
	}
	names := make([]string, len(m.Keys))
	for i, k := range m.Keys {
		names[i] = k.Name
	}
	return names
}

// DidYouMean returns `; did you mean "that"?` if one of the known words is
// close to the given one, or else "".
func DidYouMean(word string, known []string) string {
	if closest := Closest(word, known); closest != "" {
		return `; did you mean "` + closest + `"?`
	}
	return ""
}

// Closest returns the known word that differs from the given one by a slip of
// the fingers, or "".
func Closest(word string, known []string) string {
	best, bestDistance := "", max(2, len(word)/4)+1
	if len(word) < 4 {
		bestDistance = 2
	}
	for _, k := range slices.Sorted(slices.Values(known)) {
		if strings.EqualFold(k, word) {
			return k
		}
		if d := distance(strings.ToLower(word), strings.ToLower(k)); d < bestDistance {
			best, bestDistance = k, d
		}
	}
	return best
}

// distance is how many letters must be put in, taken out, changed or swapped
// with their neighbour to make b of a (optimal string alignment).
func distance(a, b string) int {
	if len(a) > 100 || len(b) > 100 {
		return 100
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
			cost := 1
			if a[i-1] == b[j-1] {
				cost = 0
			}
			rows[i][j] = min(rows[i-1][j]+1, rows[i][j-1]+1, rows[i-1][j-1]+cost)
			if i > 1 && j > 1 && a[i-1] == b[j-2] && a[i-2] == b[j-1] {
				rows[i][j] = min(rows[i][j], rows[i-2][j-2]+1)
			}
		}
	}
	return rows[len(a)][len(b)]
}
