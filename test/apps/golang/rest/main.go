// Command rest is a function in Go behind a REST API.
package main

import (
	"context"
	"fmt"
	"net/http"

	"github.com/aws/aws-lambda-go/events"
	"github.com/aws/aws-lambda-go/lambda"
)

func handle(_ context.Context, req events.APIGatewayProxyRequest) (events.APIGatewayProxyResponse, error) {
	if req.RequestContext.Identity.SourceIP == "" || req.RequestContext.Stage != "dev" || req.Resource != "/get/{name}" {
		return events.APIGatewayProxyResponse{}, fmt.Errorf("a strange request: %+v", req)
	}
	return events.APIGatewayProxyResponse{
		StatusCode:        http.StatusOK,
		Body:              "Hello " + req.PathParameters["name"],
		Headers:           map[string]string{"Content-Type": "text/plain"},
		MultiValueHeaders: map[string][]string{"X-Tag": req.MultiValueQueryStringParameters["tag"]},
	}, nil
}

func main() { lambda.Start(handle) }
