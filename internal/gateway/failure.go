package gateway

import "net/http"

// failure is what a door answers when there is no answer of a function's.
type failure struct {
	status int
	body   string
	kind   string // x-amzn-ErrorType, of REST APIs and function URLs
}

// failures are the answers of one kind of door, in the exact words of AWS, the
// spaces included.
type failures struct {
	stage     *failure // no such stage
	route     *failure // no such route
	forbidden *failure // API key or signature missing or wrong
	headers   *failure // request line and headers too long
	tooLarge  *failure // body, or the event made of it, too large
	cutOff    *failure // body ended early
	slow      *failure // body took too long
	function  *failure // the function failed
	malformed *failure // the function's answer is of no use
	timeout   *failure // the function took too long
	throttled *failure
	internal  *failure // the function could not be called
	missing   *failure // the function is not there
	down      *failure // we are stopping, or cannot serve
}

// Sources: "API Gateway gateway responses" for REST APIs, with the casing and
// spacing recorded in aws/aws-lambda-dotnet LambdaTestTool-v2
// (ApiGatewayResponseExtensions, LargePayloadTests); floci-io/floci pull request
// 3547 for 403; repost.aws QUfI6bsdd0SOiPeyimzxSkfQ for throttling as 500.
var restFailures = failures{
	stage:     &failure{403, `{"message":"Forbidden"}`, "ForbiddenException"},
	route:     &failure{403, `{"message":"Missing Authentication Token"}`, "MissingAuthenticationTokenException"},
	forbidden: &failure{403, `{"message":"Forbidden"}`, "ForbiddenException"},
	headers:   &failure{431, `{"message":"Request Header Fields Too Large"}`, "BadRequestException"},
	tooLarge:  &failure{413, `{"message":"Request Too Long"}`, "RequestTooLongException"},
	cutOff:    &failure{400, `{"message":"Bad Request"}`, "BadRequestException"},
	slow:      &failure{408, `{"message":"Request Timeout"}`, "RequestTimeoutException"},
	function:  &failure{502, `{"message": "Internal server error"}`, "InternalServerErrorException"},
	malformed: &failure{502, `{"message": "Internal server error"}`, "InternalServerErrorException"},
	timeout:   &failure{504, `{"message": "Endpoint request timed out"}`, "InternalServerErrorException"},
	throttled: &failure{500, `{"message": "Internal server error"}`, "InternalServerErrorException"},
	internal:  &failure{500, `{"message": "Internal server error"}`, "InternalServerErrorException"},
	missing:   &failure{500, `{"message": "Internal server error"}`, "InternalServerErrorException"},
	down:      &failure{503, `{"message": "Service Unavailable"}`, "ServiceUnavailableException"},
}

// Sources: "Create routes for HTTP APIs" for 404; "Troubleshooting issues with
// HTTP API Lambda integrations" for 500; aws/aws-lambda-dotnet as above for 413;
// 503 is what an HTTP API says of an integration that took too long or could
// not be reached.
var httpFailures = failures{
	stage:     &failure{404, `{"message":"Not Found"}`, ""},
	route:     &failure{404, `{"message":"Not Found"}`, ""},
	forbidden: &failure{403, `{"message":"Forbidden"}`, ""},
	headers:   &failure{431, `{"message":"Request Header Fields Too Large"}`, ""},
	tooLarge:  &failure{413, `{"message":"Request Entity Too Large"}`, ""},
	cutOff:    &failure{400, `{"message":"Bad Request"}`, ""},
	slow:      &failure{408, `{"message":"Request Timeout"}`, ""},
	function:  &failure{500, `{"message":"Internal Server Error"}`, ""},
	malformed: &failure{500, `{"message":"Internal Server Error"}`, ""},
	timeout:   &failure{503, `{"message":"Service Unavailable"}`, ""},
	throttled: &failure{503, `{"message":"Service Unavailable"}`, ""},
	internal:  &failure{500, `{"message":"Internal Server Error"}`, ""},
	missing:   &failure{500, `{"message":"Internal Server Error"}`, ""},
	down:      &failure{503, `{"message":"Service Unavailable"}`, ""},
}

// Sources: Lambda developer guide, "Creating and managing Lambda function URLs"
// (429) and "Monitoring Lambda function URLs" (502 for a failed function);
// LocalStack tests/aws/services/lambda_ for the text of 502.
var urlFailures = failures{
	stage:     &failure{404, `{"Message":null}`, "ResourceNotFoundException"},
	route:     &failure{404, `{"Message":null}`, "ResourceNotFoundException"},
	forbidden: &failure{403, `{"Message":"Forbidden"}`, "AccessDeniedException"},
	headers:   &failure{431, `{"Message":"Request Header Fields Too Large"}`, ""},
	tooLarge:  &failure{413, `{"Message":"Request must be smaller than 6291556 bytes for the InvokeFunction operation"}`, "RequestEntityTooLargeException"},
	cutOff:    &failure{400, `{"Message":"Bad Request"}`, ""},
	slow:      &failure{408, `{"Message":"Request Timeout"}`, ""},
	function:  &failure{502, `Internal Server Error`, ""},
	malformed: &failure{502, `Internal Server Error`, ""},
	timeout:   &failure{502, `Internal Server Error`, ""},
	throttled: &failure{429, `{"Message":"Rate Exceeded."}`, "TooManyRequestsException"},
	internal:  &failure{500, `Internal Server Error`, ""},
	missing:   &failure{404, `{"Message":null}`, "ResourceNotFoundException"},
	down:      &failure{503, `Service Unavailable`, "ServiceException"},
}

func (d *door) failures() *failures {
	switch d.kind {
	case restDoor:
		return &restFailures
	case urlDoor:
		return &urlFailures
	}
	return &httpFailures
}

// fail answers with a failure. What the access log says of it is why.
func (x *exchange) fail(f *failure, why string) {
	x.access.Error = why
	h := x.w.Header()
	clear(h)
	x.ownHeaders(h)
	h.Set("Content-Type", "application/json")
	if f.kind != "" {
		h.Set("X-Amzn-Errortype", f.kind)
	}
	if f.status == http.StatusRequestTimeout || f.status == http.StatusBadRequest {
		h.Set("Connection", "close")
	}
	x.applyCORS(h)
	x.send(f.status, []byte(f.body))
}
