// Command web is a function in Go behind an HTTP API, as people write them.
package main

import (
	"context"
	"encoding/base64"
	"encoding/json"
	"errors"
	"fmt"
	"log"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
	"github.com/aws/aws-lambda-go/lambdacontext"
)

type (
	request  = events.APIGatewayV2HTTPRequest
	response = events.APIGatewayV2HTTPResponse
)

var errOutOfRum = errors.New("out of rum")

func handle(ctx context.Context, req request) (response, error) {
	log.Printf("%s %s", req.RequestContext.HTTP.Method, req.RawPath)
	switch req.RouteKey {
	case "GET /greet/{name}":
		return greet(ctx, req)
	case "ANY /echo":
		return echo(req)
	case "GET /panic":
		stock(nil)["rum"]++
	case "GET /error":
		return response{}, errOutOfRum
	case "GET /slow":
		deadline, _ := ctx.Deadline()
		left := time.Until(deadline).Round(time.Second)
		return response{StatusCode: http.StatusOK, Body: left.String()}, nil
	}
	return response{StatusCode: http.StatusTeapot, Body: req.RouteKey + " " + req.RawPath}, nil
}

func greet(ctx context.Context, req request) (response, error) {
	lc, ok := lambdacontext.FromContext(ctx)
	if !ok {
		return response{}, errors.New("there is no Lambda context")
	}
	body, err := json.Marshal(map[string]any{
		"greeting": fmt.Sprintf("%s %s", os.Getenv("GREETING"), req.PathParameters["name"]),
		"tags":     req.QueryStringParameters["tag"], "requestID": lc.AwsRequestID != "", "arn": lc.InvokedFunctionArn,
		"function": lambdacontext.FunctionName, "memory": lambdacontext.MemoryLimitInMB, "version": lambdacontext.FunctionVersion,
		"stage": req.RequestContext.Stage, "cookies": req.Cookies,
	})
	return response{
		StatusCode: http.StatusOK, Body: string(body), Headers: map[string]string{"Content-Type": "application/json"},
		Cookies: []string{"rum=none; Path=/"},
	}, err
}

// stock is where a careless shop panics.
func stock(shelves map[string]int) map[string]int { return shelves }

func echo(req request) (response, error) {
	body := []byte(req.Body)
	if req.IsBase64Encoded {
		var err error
		if body, err = base64.StdEncoding.DecodeString(req.Body); err != nil {
			return response{}, err
		}
	}
	return response{
		StatusCode: http.StatusOK, IsBase64Encoded: true, Body: base64.StdEncoding.EncodeToString(body),
		Headers: map[string]string{"Content-Type": req.Headers["content-type"], "X-Method": strings.ToLower(req.RequestContext.HTTP.Method)},
	}, nil
}

func main() { lambda.Start(handle) }
