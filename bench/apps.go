//go:build linux

package main

import (
	"fmt"
	"os"
	"path/filepath"
	"strings"
)

const (
	node   = "nodejs20.x"
	python = "python3.12"
)

// app is an application to be written down and deployed.
type app struct {
	name      string
	files     []string // in bench/app, or absolute
	functions []function
	custom    string // what stands in custom.pinfold
}

type function struct {
	name, runtime, handler string // handler "" is hello.handler
}

// path is where a function answers.
func (f function) path() string { return "/" + f.name }

// several makes n functions that differ in nothing but their names: each cold
// start needs one that nobody has called.
func several(n int, name, runtime, handler string) (all []function) {
	for i := range n {
		all = append(all, function{fmt.Sprintf("%s-%d", name, i), runtime, handler})
	}
	return all
}

// lay writes an application into a folder of its own and returns that.
func (b *bench) lay(a app) (string, error) {
	dir := filepath.Join(b.dir, a.name)
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return "", err
	}
	for _, file := range a.files {
		if !filepath.IsAbs(file) {
			file = filepath.Join("bench", "app", file)
		}
		content, err := os.ReadFile(file)
		if err == nil {
			err = os.WriteFile(filepath.Join(dir, filepath.Base(file)), content, 0o644)
		}
		if err != nil {
			return "", err
		}
	}
	var y strings.Builder
	// The memory that is worth one processor: a share of one is what walls hold a
	// function to on purpose.
	fmt.Fprintf(&y, "service: %s\nprovider: {name: aws, memorySize: 1769}\n", a.name)
	if a.custom != "" {
		fmt.Fprintf(&y, "custom: {pinfold: {%s}}\n", a.custom)
	}
	y.WriteString("functions:\n")
	for _, f := range a.functions {
		handler := f.handler
		if handler == "" {
			handler = "hello.handler"
		}
		fmt.Fprintf(&y, "  %s: {handler: %s, runtime: %s, events: [{httpApi: GET %s}]}\n", f.name, handler, f.runtime, f.path())
	}
	return dir, os.WriteFile(filepath.Join(dir, "serverless.yml"), []byte(y.String()), 0o644)
}

// hello is the application of the functions that most parts call, of which multi
// takes several invocations at a time.
func (b *bench) hello() (string, error) {
	return b.lay(app{
		name: "hello", files: []string{"hello.js", "hello.py"}, custom: "functions: {multi: {concurrency: 32}}",
		functions: []function{{"node", node, ""}, {"python", python, ""}, {"multi", node, ""}},
	})
}
