package clients

import (
	"os"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// TestJavaScriptSDK runs the tests of AWS's SDK for JavaScript, version 3.
func TestJavaScriptSDK(t *testing.T) {
	t.Parallel()
	const dir = "../apps/js-sdk"
	if _, err := os.Stat(dir + "/node_modules"); err != nil {
		t.Fatalf("the SDK is not installed: run test/setup.sh (%v)", err)
	}
	program(t, platformtest.Start(t), dir, "node", "--test", "lambda.test.js")
}
