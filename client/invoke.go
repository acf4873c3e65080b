package client

import (
	"context"
	"encoding/base64"
	"io"
	"net/http"
	"net/url"

	"pinfold.dev/pinfold"
)

// Invoke runs a function (a name, partial ARN or ARN, with or without a
// qualifier) through Lambda's Invoke operation and waits for the result. A
// function that fails gives a Result with FunctionError, not an error.
func (c *Client) Invoke(ctx context.Context, function string, payload []byte, wantLog bool) (*pinfold.Result, error) {
	req := request{
		method: http.MethodPost, service: "lambda",
		path:   "/2015-03-31/functions/" + url.PathEscape(function) + "/invocations",
		header: http.Header{},
	}
	req.setBody(payload)
	if wantLog {
		req.header.Set("X-Amz-Log-Type", "Tail")
	}
	resp, err := c.do(ctx, req)
	if err != nil {
		return nil, err
	}
	defer resp.Body.Close()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Unavailable, "the answer broke off: %w", err)
	}
	tail, err := base64.StdEncoding.DecodeString(resp.Header.Get("X-Amz-Log-Result"))
	if err != nil {
		return nil, pinfold.Errorf(pinfold.Internal, "reading X-Amz-Log-Result: %w", err)
	}
	return &pinfold.Result{
		Payload:         body,
		FunctionError:   resp.Header.Get("X-Amz-Function-Error"),
		ExecutedVersion: resp.Header.Get("X-Amz-Executed-Version"),
		LogTail:         tail,
	}, nil
}
