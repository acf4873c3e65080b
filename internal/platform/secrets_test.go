package platform_test

import (
	"encoding/json"
	"strings"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// What stands in the platform's environment is nothing to functions.
func TestEnvironmentOfFunctions(t *testing.T) {
	const secret = "do-not-hand-on"
	for _, name := range []string{"PINFOLD_DATA_KEY", "PINFOLD_ROOT_SECRET_ACCESS_KEY", "DATABASE_URL", "NODE_OPTIONS_NOT", "AWS_PROFILE"} {
		t.Setenv(name, secret)
	}
	p := platformtest.Start(t)
	p.Deploy(t, platformtest.Files(t, map[string]string{
		"serverless.yml": "service: s\nprovider: {name: aws}\nfunctions: {node: {handler: i.h, runtime: nodejs20.x}, python: {handler: p.h, runtime: python3.12}}\n",
		"i.js":           "exports.h = async () => process.env\n",
		"p.py":           "import os\ndef h(event, context): return dict(os.environ)\n",
	}))
	for _, function := range []string{"s-dev-node", "s-dev-python"} {
		result, err := p.Client.Invoke(t.Context(), function, []byte("{}"), false)
		if err != nil || result.FunctionError != "" {
			t.Fatalf("%+v, %v", result, err)
		}
		env := map[string]string{}
		if err := json.Unmarshal(result.Payload, &env); err != nil {
			t.Fatal(err)
		}
		for name, value := range env {
			if value == secret || value == p.RootKey.SecretAccessKey || strings.HasPrefix(name, "PINFOLD_") && name != "PINFOLD_SANDBOX" {
				t.Errorf("%s is told %s", function, name)
			}
		}
		if env["AWS_ACCESS_KEY_ID"] == "" || env["AWS_ACCESS_KEY_ID"] == p.RootKey.AccessKeyID {
			t.Errorf("%s has the key %q, want one of its own", function, env["AWS_ACCESS_KEY_ID"])
		}
	}
}
