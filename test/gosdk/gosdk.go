// Package gosdk points AWS's SDK for Go at a platform, for the black-box suites.
package gosdk

import (
	"bytes"
	"io"
	"net/http"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/credentials"

	"pinfold.dev/pinfold/platformtest"
)

// Config is the SDK's configuration for a platform, with the root key. Nothing is
// tried twice: a test wants the first answer.
func Config(p *platformtest.Platform) aws.Config {
	return aws.Config{
		Region: p.Region, BaseEndpoint: aws.String(p.Endpoints.API), RetryMaxAttempts: 1, HTTPClient: &inMemory{},
		Credentials: credentials.NewStaticCredentialsProvider(p.RootKey.AccessKeyID, p.RootKey.SecretAccessKey, ""),
	}
}

// inMemory is an HTTP client that hands bodies over as what they are: bytes in
// memory. Of any other body net/http looks for more after it has sent what there
// is. By then a quick server has answered, smithy-go has closed the body, and says
// io.EOF by a way on which that is an error: the connection is closed while the
// answer is read (smithy-go 1.28, safeWriteToReadCloser).
type inMemory struct{ http.Client }

func (c *inMemory) Do(r *http.Request) (*http.Response, error) {
	if r.Body != nil && r.ContentLength > 0 {
		body, err := io.ReadAll(r.Body)
		if err != nil {
			return nil, err
		}
		r.Body = io.NopCloser(bytes.NewReader(body))
	}
	return c.Client.Do(r)
}
