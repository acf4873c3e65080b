// Command awsgen writes the generated code of the wire layer: for each service,
// the Go types of the operations that Pinfold serves, their routing, their
// constraints and their errors, and the names of those it does not serve.
//
// It reads AWS's service descriptions (botocore's service-2.json form) from the
// folder named by -models or PINFOLD_AWS_MODELS, by default ../shared/aws-models
// beside the checkout. targets.go says what is served. The output is committed,
// so that building needs no descriptions.
//
//	go generate ./internal/wire/awsgen
package main

//go:generate go run .
//go:generate go test . -run TestServedDocument -update

import (
	"flag"
	"fmt"
	"os"
	"path/filepath"
)

func main() {
	models := flag.String("models", "", "folder of the service descriptions (default $PINFOLD_AWS_MODELS, else ../shared/aws-models)")
	flag.Parse()
	if err := run(*models); err != nil {
		fmt.Fprintln(os.Stderr, "awsgen:", err)
		os.Exit(1)
	}
}

func run(models string) error {
	root, err := moduleRoot()
	if err != nil {
		return err
	}
	if models == "" {
		models = modelsDir(root)
	}
	files, err := generate(models)
	if err != nil {
		return err
	}
	for name, content := range files {
		path := filepath.Join(root, filepath.FromSlash(name))
		if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
			return err
		}
		if err := os.WriteFile(path, content, 0o644); err != nil {
			return err
		}
	}
	return nil
}

// modelsDir is where the service descriptions are found if nobody says.
func modelsDir(root string) string {
	if dir := os.Getenv("PINFOLD_AWS_MODELS"); dir != "" {
		return dir
	}
	return filepath.Join(root, "..", "shared", "aws-models")
}

// moduleRoot finds the checkout above the working directory.
func moduleRoot() (string, error) {
	dir, err := os.Getwd()
	if err != nil {
		return "", err
	}
	for {
		if _, err := os.Stat(filepath.Join(dir, "go.mod")); err == nil {
			return dir, nil
		}
		parent := filepath.Dir(dir)
		if parent == dir {
			return "", fmt.Errorf("no go.mod above the working directory: run awsgen inside the checkout")
		}
		dir = parent
	}
}
