package doc

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The readers of scalars take a value of another type where its meaning is plain
// ("512" for 512), as Serverless Framework and CloudFormation do. Where they
// cannot, wrong is the end of a sentence that begins with the setting's name.

// Whole returns a whole number between low and high.
func (n *Node) Whole(low, high int) (value int, wrong string) {
	text, _ := n.Text()
	f, err := strconv.ParseFloat(strings.TrimSpace(text), 64)
	switch {
	case err != nil || f != math.Trunc(f):
		return 0, "must be a whole number, not " + n.What()
	case f < float64(low) || f > float64(high):
		return 0, fmt.Sprintf("must be a number from %d to %d, not %s", low, high, text)
	}
	return int(f), ""
}

// Flag returns true or false.
func (n *Node) Flag() (value bool, wrong string) {
	if b, ok := n.Value.(bool); ok {
		return b, ""
	}
	text, _ := n.Text()
	b, err := strconv.ParseBool(text)
	if err != nil {
		return false, "must be true or false, not " + n.What()
	}
	return b, ""
}

// OneOf returns the one of some words that the value is, in whatever case it is written.
func (n *Node) OneOf(words ...string) (value, wrong string) {
	text, _ := n.Text()
	for _, w := range words {
		if strings.EqualFold(w, text) {
			return w, ""
		}
	}
	return "", fmt.Sprintf("must be one of %s, not %s%s", strings.Join(words, ", "), n.What(), DidYouMean(text, words))
}
