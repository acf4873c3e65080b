package sigv4

import (
	"bytes"
	"fmt"
	"testing"
)

// Keys that are remembered are those that would be made, and not too many.
func TestKeys(t *testing.T) {
	var k keys
	for i := range 3 * maxKeys {
		region := fmt.Sprint("r", i)
		for range 2 {
			if got := k.of("secret", "20261122", region, "sqs"); !bytes.Equal(got, signingKey("secret", "20261122", region, "sqs")) {
				t.Fatalf("another key for %s", region)
			}
		}
		if len(k.known) > maxKeys {
			t.Fatalf("%d keys are remembered", len(k.known))
		}
	}
	if bytes.Equal(k.of("a", "d", "r", "s"), k.of("b", "d", "r", "s")) {
		t.Error("two secrets have one key")
	}
}
