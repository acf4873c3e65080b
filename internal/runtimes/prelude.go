package runtimes

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"unicode/utf8"
)

// withPrelude turns a collected stream that begins with metadata for an HTTP
// door (JSON, then eight NULs, then the body) into what a function that does not
// stream would have answered, so that every door understands it. Source:
// "Writing response streaming-enabled Lambda functions" in the Lambda developer
// guide.
func withPrelude(stream []byte) []byte {
	metadata, body, ok := bytes.Cut(stream, make([]byte, 8))
	var answer map[string]json.RawMessage
	if !ok || json.Unmarshal(metadata, &answer) != nil || answer == nil {
		return stream
	}
	text := string(body)
	if !utf8.Valid(body) {
		text = base64.StdEncoding.EncodeToString(body)
		answer["isBase64Encoded"] = json.RawMessage("true")
	}
	answer["body"] = appendJSON(nil, text)
	if answer["statusCode"] == nil {
		answer["statusCode"] = json.RawMessage("200")
	}
	out, err := json.Marshal(answer)
	if err != nil {
		return stream
	}
	return out
}
