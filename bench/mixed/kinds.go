//go:build linux

package mixed

import (
	"archive/zip"
	"bytes"
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"time"

	"pinfold.dev/pinfold/bench/host"
)

// kinds are what clients do, each as often as it is in the list.
var kinds = func() (all []kind) {
	for _, k := range []struct {
		often int
		kind
	}{
		{20, kind{"a request to Node.js", get("/js")}},
		{20, kind{"a request to Python", get("/py")}},
		{5, kind{"a slow request", get("/slow")}},
		{2, kind{"a request that leaves processes and files", get("/children")}},
		{2, kind{"a request whose client leaves", leave}},
		{5, kind{"an invocation that logs", invoke("logs", "", `"logged"`)}},
		{2, kind{"an invocation that answers 1 MB", invoke("big", "", "xxxxx")}},
		{5, kind{"an error of Node.js", invoke("throws", "Unhandled", "thrown on purpose")}},
		{5, kind{"an error of Python", invoke("raises", "Unhandled", "raised on purpose")}},
		{1, kind{"a timeout", invoke("hangs", "Unhandled", "Task timed out after 1.00 seconds")}},
		{1, kind{"an exit", invoke("exits", "Unhandled", "Runtime.ExitError")}},
		{1, kind{"a crash", invoke("dies", "Unhandled", "Runtime.ExitError")}},
	} {
		for range k.often {
			all = append(all, k.kind)
		}
	}
	return all
}()

// Kinds names what is done, in the order of reports.
func Kinds() []string {
	names := []string{}
	for _, k := range kinds {
		names = append(names, k.name)
	}
	return append(slices.Compact(names), deployment, life)
}

const (
	deployment = "a deployment"
	life       = "a function that comes, changes and goes"
)

type kind struct {
	name string
	do   func(context.Context, *client) error
}

// client is one of those who call the platform.
type client struct {
	load *load
	http *http.Client
	sign host.Signer
}

func (l *load) newClient() *client {
	return &client{l, &http.Client{Transport: &http.Transport{}, Timeout: time.Minute}, l.Signer("lambda", nil)}
}

func (c *client) do(req *http.Request) (resp *http.Response, body []byte, err error) {
	if resp, err = c.http.Do(req); err != nil {
		return nil, nil, err
	}
	defer resp.Body.Close()
	body, err = io.ReadAll(resp.Body)
	return resp, body, err
}

// get is a request through the gateway, which must be answered well.
func get(path string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		req, err := http.NewRequestWithContext(ctx, http.MethodGet, c.load.URL+path+"?name=Ada", nil)
		if err != nil {
			return err
		}
		resp, body, err := c.do(req)
		if err == nil && (resp.StatusCode != http.StatusOK || string(body) != "Hello, Ada!") {
			err = fmt.Errorf("answered %s: %.300s", resp.Status, body)
		}
		return err
	}
}

// leave is a request whose client does not wait for the answer.
func leave(ctx context.Context, c *client) error {
	short, cancel := context.WithTimeout(ctx, 50*time.Millisecond)
	defer cancel()
	if err := get("/slow")(short, c); !errors.Is(err, context.DeadlineExceeded) {
		return fmt.Errorf("a request that takes 200 ms was answered within 50: %v", err)
	}
	return nil
}

// invoke is an invocation through the Lambda API that must end in this way.
func invoke(function, functionError, want string) func(context.Context, *client) error {
	return func(ctx context.Context, c *client) error {
		return c.invoke(ctx, "mixed-dev-"+function, functionError, want)
	}
}

func (c *client) invoke(ctx context.Context, function, functionError, want string) error {
	req, err := c.sign(ctx, http.MethodPost, host.InvokePath(function), "{}")
	if err != nil {
		return err
	}
	resp, body, err := c.do(req)
	if err != nil {
		return err
	}
	if got := resp.Header.Get("X-Amz-Function-Error"); resp.StatusCode != http.StatusOK || got != functionError || !strings.Contains(string(body), want) {
		return fmt.Errorf("answered %s, function error %q, %.300s; want function error %q and %q", resp.Status, got, body, functionError, want)
	}
	return nil
}

// call is an operation of the Lambda API that must succeed.
func (c *client) call(ctx context.Context, method, path string, in any) error {
	var body []byte
	var err error
	if in != nil {
		if body, err = json.Marshal(in); err != nil {
			return err
		}
	}
	req, err := c.sign(ctx, method, path, string(body))
	if err != nil {
		return err
	}
	resp, answer, err := c.do(req)
	if err == nil && resp.StatusCode/100 != 2 {
		err = fmt.Errorf("%s %s answered %s: %.300s", method, path, resp.Status, answer)
	}
	return err
}

// redeploy deploys the application again and again, each time as new versions.
func (l *load) redeploy(ctx, over context.Context) {
	for i := 1; host.Pause(over, 3*time.Second) == nil; i++ {
		l.note(ctx, deployment, l.Deploy(ctx, l.app, "--param", fmt.Sprintf("revision=%d", i)))
	}
}

const functionsPath = "/2015-03-31/functions"

// change creates a function, calls it, changes its code under the calls, and
// deletes it, again and again.
func (l *load) change(ctx, over context.Context) {
	c := l.newClient()
	defer c.http.CloseIdleConnections()
	for i := 0; host.Pause(over, time.Second) == nil; i++ {
		l.note(ctx, life, c.life(ctx, fmt.Sprintf("mixed-life-%d", i)))
	}
}

func (c *client) life(ctx context.Context, name string) error {
	err := c.call(ctx, http.MethodPost, functionsPath, map[string]any{
		"FunctionName": name, "Runtime": "nodejs20.x", "Handler": "index.handler", "Role": "arn:aws:iam::000000000000:role/mixed",
		"MemorySize": 1769, "Code": map[string]string{"ZipFile": code("first " + name)},
	})
	if err != nil {
		return err
	}
	return errors.Join(
		c.invoke(ctx, name, "", "first "+name),
		c.call(ctx, http.MethodPut, functionsPath+"/"+name+"/code", map[string]string{"ZipFile": code("second " + name)}),
		c.invoke(ctx, name, "", "second "+name),
		c.call(ctx, http.MethodDelete, functionsPath+"/"+name, nil),
	)
}

// code is a package of a function that answers with a text, in base64.
func code(text string) string {
	var b bytes.Buffer
	w := zip.NewWriter(&b)
	f, err := w.Create("index.js")
	if err == nil {
		_, err = fmt.Fprintf(f, "exports.handler = async () => %q;\n", text)
	}
	if err = errors.Join(err, w.Close()); err != nil {
		panic(err) // a buffer takes everything
	}
	return base64.StdEncoding.EncodeToString(b.Bytes())
}
