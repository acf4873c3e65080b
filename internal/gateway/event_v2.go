package gateway

import (
	"net/http"
	"strconv"

	"pinfold.dev/pinfold"
)

// appendV2 writes the event in payload format 2.0, of HTTP APIs and function
// URLs. What a request does not have is left out, as it is on AWS, whose
// documentation shows everything at once. Sources: "Create AWS Lambda proxy
// integrations for HTTP APIs"; Lambda developer guide, "Invoking Lambda
// function URLs".
func (e *event) appendV2(dst []byte, r *http.Request) []byte {
	path := e.fullPath()
	if e.door.kind == httpDoor {
		// Despite its name rawPath is decoded in an HTTP API. Source:
		// aws/aws-lambda-dotnet LambdaTestTool-v2, V2_SpecialCharactersInPath.
		path = unescape(path, false)
	}
	dst = append(dst, '{')
	dst = appendRaw(dst, "version", `"2.0"`)
	dst = appendText(dst, "routeKey", e.route.key)
	dst = appendText(dst, "rawPath", path)
	dst = appendText(dst, "rawQueryString", r.URL.RawQuery)
	if len(e.cookies) > 0 {
		dst = appendStrings(appendField(dst, "cookies"), e.cookies)
	}
	dst = append(appendField(dst, "headers"), '{')
	for i := range e.headers {
		h := &e.headers[i]
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = append(appendLower(dst, h.name), ':')
		dst = appendJoined(dst, h.list())
	}
	dst = append(dst, '}')
	if len(e.query) > 0 {
		dst = append(appendField(dst, "queryStringParameters"), '{')
		e.eachQuery(func(same []pair) {
			dst = appendJoinedPairs(appendEntry(dst, same[0].name), same)
		})
		dst = append(dst, '}')
	}
	dst = e.appendContextV2(dst, r, path)
	if len(e.body) > 0 {
		dst = e.appendBody(appendField(dst, "body"))
	}
	if len(e.values) > 0 {
		dst = append(appendField(dst, "pathParameters"), '{')
		for i, v := range e.values {
			dst = appendString(appendEntry(dst, e.route.names[i]), unescape(v, false))
		}
		dst = append(dst, '}')
	}
	dst = appendRaw(dst, "isBase64Encoded", strconv.FormatBool(e.base64))
	return append(dst, '}')
}

func (e *event) appendContextV2(dst []byte, r *http.Request, path string) []byte {
	dst = append(appendField(dst, "requestContext"), '{')
	account, id := e.door.account, e.extended
	if e.door.kind == urlDoor {
		id = e.request
		if e.caller == nil {
			account = "anonymous" // as function URLs with AuthType NONE have it
		}
	}
	dst = appendText(dst, "accountId", account)
	dst = appendText(dst, "apiId", e.door.id)
	if e.caller != nil {
		dst = appendCaller(dst, e.caller)
	}
	dst = appendText(dst, "domainName", e.domain)
	dst = appendText(dst, "domainPrefix", e.prefix)
	dst = append(appendField(dst, "http"), '{')
	dst = appendText(dst, "method", r.Method)
	dst = appendText(dst, "path", path)
	dst = appendText(dst, "protocol", r.Proto)
	dst = appendText(dst, "sourceIp", e.source)
	dst = appendText(dst, "userAgent", r.UserAgent())
	dst = append(dst, '}')
	dst = appendText(dst, "requestId", id)
	dst = appendText(dst, "routeKey", e.route.key)
	dst = appendText(dst, "stage", e.door.stage)
	dst = appendTime(dst, "time", e.time)
	dst = strconv.AppendInt(appendField(dst, "timeEpoch"), e.time.UnixMilli(), 10)
	return append(dst, '}')
}

// appendCaller writes who signed a request to a function URL. Source: "Invoking
// Lambda function URLs", requestContext.authorizer.iam.
func appendCaller(dst []byte, who *pinfold.Principal) []byte {
	dst = append(dst, `,"authorizer":{"iam":{`...)
	dst = appendText(dst, "accessKey", who.AccessKeyID)
	dst = appendText(dst, "accountId", who.Account)
	dst = appendText(dst, "callerId", who.UserID)
	dst = appendRaw(dst, "cognitoIdentity", "null")
	dst = appendRaw(dst, "principalOrgId", "null")
	dst = appendText(dst, "userArn", who.ARN)
	dst = appendText(dst, "userId", who.UserID)
	return append(dst, '}', '}')
}

func appendStrings(dst []byte, all []string) []byte {
	dst = append(dst, '[')
	for i, s := range all {
		if i > 0 {
			dst = append(dst, ',')
		}
		dst = appendString(dst, s)
	}
	return append(dst, ']')
}

// appendJoined appends strings as one, with commas between them.
func appendJoined(dst []byte, all []string) []byte {
	for i, s := range all {
		if i > 0 {
			dst[len(dst)-1] = ',' // in place of the closing quote
			at := len(dst) - 1
			dst = appendString(dst, s)
			dst = append(dst[:at+1], dst[at+2:]...) // without the opening one
			continue
		}
		dst = appendString(dst, s)
	}
	return dst
}

func appendJoinedPairs(dst []byte, same []pair) []byte {
	if len(same) == 1 {
		return appendString(dst, same[0].value)
	}
	all := make([]string, len(same))
	for i, p := range same {
		all[i] = p.value
	}
	return appendJoined(dst, all)
}
