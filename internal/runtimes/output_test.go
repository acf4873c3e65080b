package runtimes

import "testing"

// A line that is cut is cut between characters, where there are such.
func TestWhole(t *testing.T) {
	for text, want := range map[string]int{
		"": 0, "abc": 3, "abü": 4, "ab\xc3": 2, "a€": 4, "a\xe2\x82": 1, "😀": 4, "ab\xf0\x9f\x98": 2,
		"ab\xff": 3, "ab\x80\x80\x80\x80": 6, "\xc3": 1, // nothing would be left
	} {
		if got := whole([]byte(text)); got != want {
			t.Errorf("%q is whole for %d bytes, want %d", text, got, want)
		}
	}
}
