package client

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/url"

	"github.com/aws/smithy-go/eventstream"

	"pinfold.dev/pinfold"
)

// InvokeStream is [Client.Invoke] through Lambda's InvokeWithResponseStream: the
// answer goes to a stream while the function writes it. That of a function that
// does not stream is JSON in one part, of the content type application/json. The
// Result has everything but the answer; Payload says how the function failed.
func (c *Client) InvokeStream(ctx context.Context, function string, payload []byte, wantLog bool, to pinfold.Stream) (*pinfold.Result, error) {
	req := request{
		method: http.MethodPost, service: "lambda",
		path:   "/2021-11-15/functions/" + url.PathEscape(function) + "/response-streaming-invocations",
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
	to.Begin(resp.Header.Get("X-Amzn-Remapped-Content-Type"))
	result := &pinfold.Result{Streamed: true, ExecutedVersion: resp.Header.Get("X-Amz-Executed-Version")}
	decoder := eventstream.NewDecoder()
	var buffer []byte
	for {
		m, err := decoder.Decode(resp.Body, buffer[:0])
		if err != nil {
			if errors.Is(err, io.EOF) {
				err = io.ErrUnexpectedEOF
			}
			return nil, pinfold.Errorf(pinfold.Unavailable, "the answer broke off: %w", err)
		}
		buffer = m.Payload
		switch {
		case text(m, ":message-type") == eventstream.ErrorMessageType:
			return nil, pinfold.Errorf(pinfold.Internal, "%s", text(m, ":error-message")).WithReason(text(m, ":error-code"))
		case text(m, ":message-type") == eventstream.ExceptionMessageType:
			var e struct {
				Lower string `json:"message"`
				Upper string `json:"Message"`
			}
			_ = json.Unmarshal(m.Payload, &e)
			return nil, pinfold.Errorf(pinfold.Internal, "%s", e.Lower+e.Upper).WithReason(text(m, ":exception-type"))
		case text(m, ":event-type") == "PayloadChunk":
			if _, err := to.Write(m.Payload); err != nil {
				return nil, err
			}
		case text(m, ":event-type") == "InvokeComplete":
			return result, complete(result, m.Payload)
		}
	}
}

// complete takes what is said when a stream is over.
func complete(result *pinfold.Result, payload []byte) error {
	var end struct{ ErrorCode, ErrorDetails, LogResult string }
	err := json.Unmarshal(payload, &end)
	if err == nil {
		result.LogTail, err = base64.StdEncoding.DecodeString(end.LogResult)
	}
	if err != nil {
		return pinfold.Errorf(pinfold.Internal, "reading the end of the answer: %w", err)
	}
	if end.ErrorCode != "" {
		result.FunctionError, result.Payload = "Unhandled", []byte(end.ErrorDetails)
	}
	return nil
}

// text returns a header of a message, or "".
func text(m eventstream.Message, name string) string {
	v, _ := m.Headers.Get(name).(eventstream.StringValue)
	return string(v)
}
