// Package client is the Go client of Pinfold's control API, and of what the
// command line needs of Lambda: Invoke and InvokeWithResponseStream. It signs
// every request (Signature Version 4) as any AWS client does.
package client

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"io"
	"net"
	"net/http"
	"net/url"
	"strings"
	"syscall"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"pinfold.dev/pinfold"
)

// Credentials sign requests.
type Credentials struct {
	AccessKeyID     string `json:"accessKeyId"`
	SecretAccessKey string `json:"secretAccessKey"`
}

// Client talks to one server. It is safe for concurrent use.
type Client struct {
	base   string
	region string
	creds  aws.Credentials
	signer *v4.Signer
	http   *http.Client
}

// New returns a client of the server at a base URL such as
// "http://127.0.0.1:4566". It does not connect yet.
func New(base, region string, creds Credentials) *Client {
	return &Client{
		base:   strings.TrimSuffix(base, "/"),
		region: region,
		creds:  aws.Credentials{AccessKeyID: creds.AccessKeyID, SecretAccessKey: creds.SecretAccessKey},
		signer: v4.NewSigner(),
		// An invocation may take 15 minutes, a followed log for ever: time
		// limits are the caller's, through the context.
		http: &http.Client{Transport: &http.Transport{DisableCompression: true, IdleConnTimeout: time.Minute}},
	}
}

// request is one call: what to send, and under which service name to sign it.
type request struct {
	method, path string
	query        url.Values
	header       http.Header
	body         io.ReadSeeker
	size         int64
	sha256       string // lower-case hex of body
	service      string // "" is "pinfold"
}

func jsonRequest(method, path string, query url.Values, in any) (request, error) {
	req := request{method: method, path: path, query: query}
	if in != nil {
		body, err := json.Marshal(in)
		if err != nil {
			return req, err
		}
		req.setBody(body)
	}
	return req, nil
}

func (r *request) setBody(body []byte) {
	sum := sha256.Sum256(body)
	r.body, r.size, r.sha256 = bytes.NewReader(body), int64(len(body)), hex.EncodeToString(sum[:])
}

// do sends a request and returns a successful response; any other becomes an
// error. The caller closes the body.
func (c *Client) do(ctx context.Context, r request) (*http.Response, error) {
	target := c.base + r.path
	if len(r.query) > 0 {
		target += "?" + r.query.Encode()
	}
	var body io.Reader
	if r.body != nil {
		body = io.NopCloser(r.body)
	} else {
		r.setBody(nil)
	}
	req, err := http.NewRequestWithContext(ctx, r.method, target, body)
	if err != nil {
		return nil, err
	}
	req.ContentLength = r.size
	if r.size == 0 {
		req.Body = http.NoBody
	}
	for name, values := range r.header {
		req.Header[name] = values
	}
	service := r.service
	if service == "" {
		service = "pinfold"
	}
	req.Header.Set("X-Amz-Content-Sha256", r.sha256)
	if err := c.signer.SignHTTP(ctx, c.creds, req, r.sha256, service, c.region, time.Now()); err != nil {
		return nil, err
	}
	resp, err := c.http.Do(req)
	if err != nil {
		return nil, c.unreachable(ctx, err)
	}
	if resp.StatusCode/100 != 2 {
		defer resp.Body.Close()
		return nil, readError(resp)
	}
	return resp, nil
}

func (c *Client) unreachable(ctx context.Context, err error) error {
	if ctx.Err() != nil {
		return ctx.Err()
	}
	reason := ""
	if dial, ok := errors.AsType[*net.OpError](err); !ok || dial.Op != "dial" {
		return pinfold.Errorf(pinfold.Unavailable, "calling %s: %w", c.base, err)
	} else if !errors.Is(err, syscall.ECONNREFUSED) {
		reason = " (" + dial.Err.Error() + ")"
	}
	return pinfold.Errorf(pinfold.Unavailable, "no Pinfold answers at %s%s: start one with `pinfold up` or `pinfold dev`, or name another with --server or PINFOLD_API", c.base, reason)
}

// call sends a request and decodes the JSON answer into out, unless out is nil.
func (c *Client) call(ctx context.Context, method, path string, query url.Values, in, out any) error {
	req, err := jsonRequest(method, path, query, in)
	if err != nil {
		return err
	}
	resp, err := c.do(ctx, req)
	if err != nil {
		return err
	}
	defer resp.Body.Close()
	if out == nil {
		_, err = io.Copy(io.Discard, resp.Body)
		return err
	}
	if err := json.NewDecoder(resp.Body).Decode(out); err != nil {
		return pinfold.Errorf(pinfold.Unavailable, "what answers at %s is not a Pinfold of this version: reading its answer to %s %s: %w", c.base, method, path, err)
	}
	return nil
}

// readError turns an unsuccessful answer into a *pinfold.Error, whether it
// comes from the control API or from a rest-json service.
func readError(resp *http.Response) error {
	body, _ := io.ReadAll(io.LimitReader(resp.Body, 1<<20))
	var wire struct {
		Code    pinfold.Code `json:"code"`
		Reason  string       `json:"reason"`
		Message string       `json:"message"`
		Upper   string       `json:"Message"`
	}
	_ = json.Unmarshal(body, &wire)
	e := &pinfold.Error{Code: wire.Code, Reason: wire.Reason, Message: wire.Message}
	if e.Message == "" {
		e.Message = wire.Upper
	}
	if kind := resp.Header.Get("X-Amzn-Errortype"); kind != "" && e.Reason == "" {
		e.Reason, _, _ = strings.Cut(kind, ":")
	}
	if e.Message == "" { // no Pinfold answers without one
		e.Message = resp.Request.URL.Host + " answers " + resp.Status + ": is it a Pinfold's API?"
		if text := strings.TrimSpace(string(body)); text != "" && len(text) < 200 {
			e.Message += " It says: " + text
		}
	}
	if e.Code == "" {
		e.Code = codeOfStatus(resp.StatusCode)
	}
	return e
}

func codeOfStatus(status int) pinfold.Code {
	switch status {
	case http.StatusNotFound:
		return pinfold.NotFound
	case http.StatusConflict, http.StatusPreconditionFailed:
		return pinfold.Conflict
	case http.StatusUnauthorized, http.StatusForbidden:
		return pinfold.Denied
	case http.StatusTooManyRequests:
		return pinfold.Throttled
	case http.StatusRequestEntityTooLarge:
		return pinfold.TooLarge
	case http.StatusServiceUnavailable:
		return pinfold.Unavailable
	case http.StatusNotImplemented:
		return pinfold.Unserved
	}
	if status/100 == 4 {
		return pinfold.Invalid
	}
	return pinfold.Internal
}
