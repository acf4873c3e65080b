//go:build linux

package main

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"net/http"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	v4 "github.com/aws/aws-sdk-go-v2/aws/signer/v4"

	"pinfold.dev/pinfold/bench/host"
)

// signer returns what signs requests for the Lambda API of a platform, as the
// AWS SDK does.
func signer(p *host.Pinfold) func(method, path, body string) (*http.Request, error) {
	s := v4.NewSigner()
	key := aws.Credentials{AccessKeyID: p.Key.AccessKeyID, SecretAccessKey: p.Key.SecretAccessKey}
	return func(method, path, body string) (*http.Request, error) {
		req, err := http.NewRequest(method, p.API+path, strings.NewReader(body))
		if err != nil {
			return nil, err
		}
		req.Header.Set("Content-Type", "application/json")
		sum := sha256.Sum256([]byte(body))
		return req, s.SignHTTP(context.Background(), key, req, hex.EncodeToString(sum[:]), "lambda", p.Region, time.Now())
	}
}
