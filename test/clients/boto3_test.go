package clients

import (
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// TestBoto3 runs the tests of AWS's SDK for Python.
func TestBoto3(t *testing.T) {
	t.Parallel()
	program(t, platformtest.Start(t), "testdata/boto3", "python3", "-m", "unittest", "-v", "test_lambda")
}
