//go:build linux

package host

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"maps"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"
)

// Signer makes signed requests.
type Signer func(ctx context.Context, method, path, body string) (*http.Request, error)

// Signer returns what makes signed requests for an API of the platform's, such as
// "lambda", with the signer of the AWS SDK. Each has the header.
func (p *Pinfold) Signer(service string, header http.Header) Signer {
	s := v4.NewSigner()
	key := aws.Credentials{AccessKeyID: p.Key.AccessKeyID, SecretAccessKey: p.Key.SecretAccessKey}
	return func(ctx context.Context, method, path, body string) (*http.Request, error) {
		req, err := http.NewRequestWithContext(ctx, method, p.API+path, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		maps.Copy(req.Header, header)
		sum := sha256.Sum256([]byte(body))
		return req, s.SignHTTP(ctx, key, req, hex.EncodeToString(sum[:]), service, p.Region, time.Now())
	}
}

// InvokePath is where Lambda's Invoke of a function is.
func InvokePath(function string) string { return "/2015-03-31/functions/" + function + "/invocations" }
