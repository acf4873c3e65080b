package sigv4

import (
	"bytes"
	"fmt"
	"net/http"
	"testing"
)

// Keys that are remembered are those that would be made, and not too many.
func TestKeys(t *testing.T) {
	var k keys
	text := []byte("text")
	for i := range 3 * maxKeys {
		region := fmt.Sprint("r", i)
		for range 2 {
			if got := k.of("secret", "20261122", region, "sqs"); !bytes.Equal(got.mac(text), mac(signingKey("secret", "20261122", region, "sqs"), text)) {
				t.Fatalf("another key for %s", region)
			}
		}
		if len(k.known) > maxKeys {
			t.Fatalf("%d keys are remembered", len(k.known))
		}
	}
	if bytes.Equal(k.of("a", "d", "r", "s").mac(text), k.of("b", "d", "r", "s").mac(text)) {
		t.Error("two secrets have one key")
	}
}

// A signed header is found by the name that net/http has given it.
func TestAppendKey(t *testing.T) {
	for _, name := range []string{"x-amz-date", "amz-sdk-invocation-id", "content-md5", "x--y", "-", "", "1a-2b", "te_st-a.b"} {
		if got := string(appendKey(nil, name)); got != http.CanonicalHeaderKey(name) {
			t.Errorf("%q is %q, not %q", name, got, http.CanonicalHeaderKey(name))
		}
	}
}
