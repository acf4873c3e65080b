package apps_test

import (
	"archive/zip"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"runtime"
	"strings"
	"testing"

	"pinfold.dev/pinfold/platformtest"
)

// golang builds the programs of the application in Go, as a Makefile would, and
// returns the folder to deploy.
func golang(t *testing.T) string {
	t.Helper()
	manifest, err := os.ReadFile("golang/serverless.yml")
	if err != nil {
		t.Fatal(err)
	}
	dir := platformtest.Files(t, map[string]string{"serverless.yml": string(manifest), "README.md": "It must not be packed."})
	for program, file := range map[string]string{"web": "bin/bootstrap", "rest": "bin/rest"} {
		build := exec.CommandContext(t.Context(), "go", "build", "-tags", "lambda.norpc", "-ldflags", "-s -w", "-o", filepath.Join(dir, file), "./golang/"+program)
		build.Env = append(os.Environ(), "CGO_ENABLED=0", "GOOS=linux")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("%v: %s", err, out)
		}
	}
	pack(t, filepath.Join(dir, "bin/web.zip"), filepath.Join(dir, "bin/bootstrap"))
	return dir
}

// pack makes a zip of one file, as `zip -j` does.
func pack(t *testing.T, to, file string) {
	t.Helper()
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	out, err := os.Create(to)
	if err != nil {
		t.Fatal(err)
	}
	z := zip.NewWriter(out)
	header := &zip.FileHeader{Name: filepath.Base(file), Method: zip.Deflate}
	header.SetMode(0o755)
	w, err := z.CreateHeader(header)
	if err == nil {
		_, err = w.Write(content)
	}
	if err == nil {
		err = z.Close()
	}
	if err == nil {
		err = out.Close()
	}
	if err != nil {
		t.Fatal(err)
	}
}

// TestGo deploys programs made with aws-lambda-go.
func TestGo(t *testing.T) {
	if runtime.GOOS != "linux" {
		t.Skip("Lambda's programs are for Linux")
	}
	p := platformtest.Start(t)
	d := p.Deploy(t, golang(t))
	greet := urlOf(t, d, "GET", "/greet/{name}")
	call{url: greet + "J%C3%BCrgen?tag=a&tag=b%20c", header: http.Header{"Cookie": {"a=1; b=2"}}}.do(t).is(200).has("Set-Cookie", "rum=none; Path=/").
		json(fmt.Sprintf(`{"greeting": "Ahoy Jürgen", "tags": "a,b c", "requestID": true, "arn": %q, "function": "golang-dev-web", "memory": 1024,
			"version": "$LATEST", "stage": "$default", "cookies": ["a=1", "b=2"]}`, d.Functions[0].ARN))

	echo := urlOf(t, d, "ANY", "/echo")
	bytes := "\x00\xff\xfe binary"
	call{method: "PUT", url: echo, header: http.Header{"Content-Type": {"application/x-thing"}}, body: bytes}.do(t).
		is(200).says(bytes).has("Content-Type", "application/x-thing").has("X-Method", "put")
	post(t, echo, "text/plain; charset=utf-8", "schön").is(200).says("schön").has("X-Method", "post")

	// A function's own address has the same events.
	get(t, d.Functions[0].URL+"any/where").is(418).says("$default /any/where")

	// The deadline is the function's timeout.
	get(t, urlOf(t, d, "GET", "/slow")).is(200).says("5s")

	for range 2 { // what panics is not used again, what fails is
		get(t, urlOf(t, d, "GET", "/panic")).is(500).json(`{"message": "Internal Server Error"}`)
		get(t, urlOf(t, d, "GET", "/error")).is(500).json(`{"message": "Internal Server Error"}`)
	}
	result := invoke(t, p, "golang-dev-web", `{"routeKey": "GET /error"}`)
	if want := `{"errorMessage":"out of rum","errorType":"errorString"}`; result != want {
		t.Errorf("the error is %s, want %s", result, want)
	}
	result = invoke(t, p, "golang-dev-web", `{"routeKey": "GET /panic"}`)
	if !strings.Contains(result, "assignment to entry in nil map") || !strings.Contains(result, "stackTrace") {
		t.Errorf("the panic is %s", result)
	}
	get(t, greet+"again").is(200)

	get(t, urlOf(t, d, "GET", "/get/{name}")+"Ann?tag=x&tag=y").is(200).says("Hello Ann").has("X-Tag", "x", "y")
	get(t, urlOf(t, d, "GET", "/get/{name}")+"Ann/more").is(403).json(`{"message": "Missing Authentication Token"}`)
}
