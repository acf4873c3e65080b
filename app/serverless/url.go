package serverless

import (
	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app"
)

var urlCORSHeaders = []string{"Content-Type", "X-Amz-Date", "Authorization", "X-Api-Key", "X-Amz-Security-Token", "X-Amzn-Trace-Id"}

// url reads a function's own URL. Defaults are those of compileFunctionUrl in
// lib/plugins/aws/package/compile/functions.js.
func (r *reader) url(f *function) *app.FunctionURL {
	if !f.has("url") {
		return nil
	}
	u := &app.FunctionURL{AuthType: "NONE", InvokeMode: "BUFFERED"}
	if f.get("url").Map() == nil {
		if !f.flag("url", false) {
			return nil
		}
		return u
	}
	s := f.sub("url")
	s.known("authorizer", "cors", "invokeMode")
	if s.oneOf("authorizer", "", "aws_iam") == "aws_iam" {
		u.AuthType = "AWS_IAM"
	} else if s.has("authorizer") {
		u.AuthType = "AWS_IAM" // a mistake that was told: never open the door for it
	}
	u.InvokeMode = s.oneOf("invokeMode", "BUFFERED", "BUFFERED", "RESPONSE_STREAM")
	if !s.has("cors") {
		return u
	}
	c := s.sub2("cors")
	c.known("allowCredentials", "allowedHeaders", "allowedMethods", "allowedOrigins", "exposedResponseHeaders", "maxAge")
	u.CORS = &pinfold.CORS{
		AllowOrigins:     c.textsOr("allowedOrigins", []string{"*"}),
		AllowHeaders:     c.textsOr("allowedHeaders", urlCORSHeaders),
		AllowMethods:     c.textsOr("allowedMethods", []string{"*"}),
		ExposeHeaders:    c.texts("exposedResponseHeaders"),
		AllowCredentials: c.flag("allowCredentials", false),
		MaxAge:           c.whole("maxAge", 0, 86400, 0),
	}
	return u
}

// sub2 returns a section that may be written as "true": it is empty then.
func (s section) sub2(key string) section {
	if n := s.get(key); n != nil && n.Map() == nil {
		s.flag(key, false)
		return section{r: s.r, name: s.label(key), at: n.At}
	}
	return s.sub(key)
}

// textsOr returns a list of texts, or the given ones where the key is missing.
// A null means none.
func (s section) textsOr(key string, missing []string) []string {
	if s.m.Get(key) == nil {
		return missing
	}
	return s.texts(key)
}
