package gateway

import (
	"net/http"
	"strconv"
)

// appendV1 writes the event in payload format 1.0, of REST APIs and of HTTP
// APIs that ask for it. What a request does not have is null.
//
// They differ: an HTTP API has a version and lower-level identity fields only,
// has the stage in path, decodes path parameters and sends a content length; a
// REST API has none of that, but a resource and deployment ID. Sources: "Input
// format of a Lambda function for proxy integration"; "Create AWS Lambda proxy
// integrations for HTTP APIs"; events recorded on AWS in LocalStack
// test_apigateway_lambda.snapshot.json; aws/aws-lambda-dotnet LambdaTestTool-v2,
// V1_SpecialCharactersInPath.
func (e *event) appendV1(dst []byte, r *http.Request) []byte {
	rest := e.door.kind == restDoor
	dst = append(dst, '{')
	path := e.path
	if !rest {
		dst = appendRaw(dst, "version", `"1.0"`)
		path = e.fullPath()
	}
	dst = appendText(dst, "resource", e.route.resource)
	dst = appendText(dst, "path", path)
	dst = appendText(dst, "httpMethod", r.Method)
	dst = append(appendField(dst, "headers"), '{')
	for i := range e.headers {
		all := e.headers[i].list()
		dst = appendString(appendEntry(dst, e.headers[i].name), all[len(all)-1])
	}
	dst = append(dst, '}')
	dst = append(appendField(dst, "multiValueHeaders"), '{')
	for i := range e.headers {
		dst = appendStrings(appendEntry(dst, e.headers[i].name), e.headers[i].list())
	}
	dst = append(dst, '}')
	dst = e.appendQueryV1(dst)
	dst = e.appendContextV1(dst, r)
	dst = e.appendParametersV1(dst)
	dst = appendRaw(dst, "stageVariables", "null")
	dst = appendField(dst, "body")
	if len(e.body) > 0 {
		dst = e.appendBody(dst)
	} else {
		dst = append(dst, "null"...)
	}
	dst = appendRaw(dst, "isBase64Encoded", strconv.FormatBool(e.base64))
	return append(dst, '}')
}

// appendQueryV1 writes the last value of each parameter, and all of them.
func (e *event) appendQueryV1(dst []byte) []byte {
	if len(e.query) == 0 {
		dst = appendRaw(dst, "queryStringParameters", "null")
		return appendRaw(dst, "multiValueQueryStringParameters", "null")
	}
	dst = append(appendField(dst, "queryStringParameters"), '{')
	e.eachQuery(func(same []pair) {
		dst = appendString(appendEntry(dst, same[0].name), same[len(same)-1].value)
	})
	dst = append(dst, '}')
	dst = append(appendField(dst, "multiValueQueryStringParameters"), '{')
	e.eachQuery(func(same []pair) {
		dst = append(appendEntry(dst, same[0].name), '[')
		for i, p := range same {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendString(dst, p.value)
		}
		dst = append(dst, ']')
	})
	return append(dst, '}')
}

func (e *event) appendParametersV1(dst []byte) []byte {
	if len(e.values) == 0 {
		return appendRaw(dst, "pathParameters", "null")
	}
	dst = append(appendField(dst, "pathParameters"), '{')
	for i, v := range e.values {
		if e.door.kind != restDoor {
			v = unescape(v, false)
		}
		dst = appendString(appendEntry(dst, e.route.names[i]), v)
	}
	return append(dst, '}')
}

func (e *event) appendContextV1(dst []byte, r *http.Request) []byte {
	rest := e.door.kind == restDoor
	dst = append(appendField(dst, "requestContext"), '{')
	dst = appendText(dst, "accountId", e.door.account)
	dst = appendText(dst, "apiId", e.door.id)
	if rest {
		dst = appendText(dst, "deploymentId", shortID(e.door.id, e.door.stage))
	}
	dst = appendText(dst, "domainName", e.domain)
	dst = appendText(dst, "domainPrefix", e.prefix)
	dst = appendText(dst, "extendedRequestId", e.extended)
	dst = appendText(dst, "httpMethod", r.Method)
	dst = e.appendIdentity(dst, r)
	dst = appendText(dst, "path", e.fullPath())
	dst = appendText(dst, "protocol", r.Proto)
	if rest {
		dst = appendText(dst, "requestId", e.request)
	} else {
		dst = appendText(dst, "requestId", e.extended)
	}
	dst = appendTime(dst, "requestTime", e.time)
	dst = strconv.AppendInt(appendField(dst, "requestTimeEpoch"), e.time.UnixMilli(), 10)
	if rest {
		dst = appendText(dst, "resourceId", shortID(e.door.id, e.route.resource))
	} else {
		dst = appendRaw(dst, "resourceId", "null")
	}
	dst = appendText(dst, "resourcePath", e.route.resource)
	dst = appendText(dst, "stage", e.door.stage)
	return append(dst, '}')
}

func (e *event) appendIdentity(dst []byte, r *http.Request) []byte {
	dst = append(appendField(dst, "identity"), `{"accessKey":null,"accountId":null`...)
	if e.key != nil {
		dst = appendText(dst, "apiKey", e.key.Value)
		dst = appendText(dst, "apiKeyId", e.key.Name)
	}
	dst = append(dst, `,"caller":null,"cognitoAuthenticationProvider":null,"cognitoAuthenticationType":null`...)
	dst = append(dst, `,"cognitoIdentityId":null,"cognitoIdentityPoolId":null,"principalOrgId":null`...)
	dst = appendText(dst, "sourceIp", e.source)
	dst = append(dst, `,"user":null`...)
	dst = appendText(dst, "userAgent", r.UserAgent())
	return append(dst, `,"userArn":null}`...)
}
