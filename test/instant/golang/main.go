// Command golang is a function on AWS's own runtime for Go that streams what its
// event asks for.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"os"
	"strconv"
	"strings"

	"github.com/aws/aws-lambda-go/lambda"
)

func main() { lambda.Start(handle) }

// handle is given a text of two words, or a function URL's request with it as its
// body: what to do, and the place at the gate or the size to do it with.
func handle(_ context.Context, event json.RawMessage) (io.Reader, error) {
	var text string
	if json.Unmarshal(event, &text) != nil {
		var request struct{ Body string }
		if err := json.Unmarshal(event, &request); err != nil {
			return nil, err
		}
		text = request.Body
	}
	do, with, _ := strings.Cut(text, " ")
	r, w := io.Pipe()
	switch do {
	case "stream":
		go func() { w.CloseWithError(stream(w, with)) }()
	case "break":
		go func() {
			_, _ = io.WriteString(w, "first")
			w.CloseWithError(errors.New("broken on purpose"))
		}()
	case "size":
		size, err := strconv.ParseInt(with, 10, 64)
		if err != nil {
			return nil, err
		}
		go func() {
			_, err := io.CopyN(w, zeros{}, size)
			w.CloseWithError(err)
		}()
	default:
		return strings.NewReader("ok"), nil
	}
	return r, nil
}

func stream(w io.Writer, name string) error {
	if _, err := io.WriteString(w, "first "); err != nil {
		return err
	}
	resp, err := http.Get(os.Getenv("GATE") + "?do=wait&name=" + name)
	if err != nil {
		return err
	}
	if err := resp.Body.Close(); err != nil {
		return err
	}
	_, err = io.WriteString(w, "last")
	return err
}

type zeros struct{}

func (zeros) Read(p []byte) (int, error) { return len(p), nil }
