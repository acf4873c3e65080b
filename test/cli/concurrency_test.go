package cli_test

import (
	"strings"
	"testing"
)

// What a manifest says of concurrency shows where functions are listed.
func TestConcurrencyOfAManifest(t *testing.T) {
	t.Parallel()
	p := newPlace(t)
	s := p.up()
	dir := greeter(t, "one")
	p.run("deploy", dir, "-y").ok()
	p.run("ls").ok().never("CONCURRENCY")

	manifest := strings.NewReplacer(
		"    handler: hello.handler\n", "    handler: hello.handler\n    reservedConcurrency: 3\n    provisionedConcurrency: 1\n",
		"    handler: fail.handler\n", "    handler: fail.handler\n    reservedConcurrency: 0\n",
	).Replace(greeterManifest)
	write(t, dir, map[string]string{"serverless.yml": manifest + "custom: {pinfold: {functions: {hello: {concurrency: 4, queue: {max: 5, wait: 7}}}}}\n"})
	p.run("deploy", dir, "-y").ok()
	p.run("ls").ok().says("CONCURRENCY", "4 an instance, reserved 3, queue 5 for 7s, provisioned ", " of 1 ready", "reserved 0")
	p.run("ls", "--json").ok().says(`"reservedConcurrency": 0`, `"reservedConcurrency": 3`, `"concurrency": 4`, `"requested": 1`)
	s.stop()
}
