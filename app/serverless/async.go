package serverless

import (
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/app/doc"
)

// asyncSettings makes an event invoke config of what a function says about its
// asynchronous invocations. Source: compileFunctionEventInvokeConfig in
// lib/plugins/aws/package/compile/functions.js.
func (r *reader) asyncSettings(f *function) {
	t := newBlueprint("function "+f.key, f.keyAt)
	t.take(f.section, map[string]string{"MaximumEventAgeInSeconds": "maximumEventAge", "MaximumRetryAttempts": "maximumRetryAttempts"})
	if f.has("destinations") {
		s := f.sub("destinations")
		s.known("onSuccess", "onFailure")
		config := newBlueprint(s.name, s.at)
		for property, key := range map[string]string{"OnSuccess": "onSuccess", "OnFailure": "onFailure"} {
			t.words[property] = key
			if to := r.destination(s, key); to != nil {
				one := doc.NewMap()
				one.Set(doc.Key{Name: "Destination", At: to.At}, to)
				config.set(property, doc.New(to.At, one))
			}
		}
		t.words["DestinationConfig"], t.words["Destination"] = "destinations", "arn"
		t.set("DestinationConfig", doc.New(s.at, config.m))
	}
	if len(t.m.Keys) == 0 {
		return
	}
	ref := r.invoked(f)
	t.set("FunctionName", ref.Name)
	if ref.Qualifier == "" {
		ref.Qualifier = pinfold.LatestVersion
	}
	t.set("Qualifier", ref.Qualifier)
	r.compile(f, logicalID(f.key)+"LambdaEvConf", "AWS::Lambda::EventInvokeConfig", t)
}

// destination returns what is evaluated to the ARN of a destination: of a function
// of this file by its key, of anything by its ARN, or {type, arn}.
func (r *reader) destination(s section, key string) *doc.Node {
	n := s.get(key)
	if n == nil {
		return nil
	}
	if n.Map() != nil && !isCall(n) {
		d, _ := r.section(n, s.label(key))
		d.known("type", "arn")
		if d.get("arn") == nil {
			r.problem(n.At, "%s has no arn%s", d.name, d.meant("arn"))
		}
		return d.get("arn")
	}
	text, isText := n.Text()
	if !isText || strings.HasPrefix(text, "arn:") {
		return n
	}
	var keys []string
	for _, f := range r.functions {
		if f.key == text {
			return doc.New(n.At, r.invoked(f).ARN())
		}
		keys = append(keys, f.key)
	}
	r.problem(n.At, "%s is %q, and there is no function of that name%s: write a function's key, or an ARN", s.label(key), text, doc.DidYouMean(text, keys))
	return nil
}

// deadLetter reads where events go that a function could not handle.
func (r *reader) deadLetter(f *function) {
	text := f.text("onError")
	if text == "" {
		return
	}
	at := f.m.Get("onError").At
	switch arn, ok := pinfold.ParseARN(text); {
	case !ok:
		r.problem(at, "%s must be the ARN of a queue, such as {Fn::GetAtt: [Queue, Arn]}, not %q", f.label("onError"), text)
	case arn.Service != "sqs":
		r.unserved(at, "onError of function %s: %s", f.key, text)
	default:
		f.app.Config.DeadLetter = text
	}
}
