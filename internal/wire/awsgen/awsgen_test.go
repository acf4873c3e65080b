package main

import (
	"bytes"
	"encoding/json"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"
)

// descriptions returns the folder of the service descriptions, or skips.
func descriptions(t *testing.T) (root, models string) {
	t.Helper()
	root, err := moduleRoot()
	if err != nil {
		t.Fatal(err)
	}
	models = modelsDir(root)
	if _, err := os.Stat(models); err != nil {
		t.Skipf("AWS's service descriptions are not at hand (%v): set PINFOLD_AWS_MODELS to check that generated code is up to date", err)
	}
	return root, models
}

func TestGeneratedCodeIsUpToDate(t *testing.T) {
	root, models := descriptions(t)
	files, err := generate(models)
	if err != nil {
		t.Fatal(err)
	}
	for name, want := range files {
		got, err := os.ReadFile(filepath.Join(root, filepath.FromSlash(name)))
		if err != nil {
			t.Error(err)
			continue
		}
		if !bytes.Equal(got, want) {
			t.Errorf("%s is not what awsgen writes: run go generate ./internal/wire/awsgen", name)
		}
	}
}

func TestNoPatternIsLost(t *testing.T) {
	_, models := descriptions(t)
	for _, target := range targets {
		m, err := readModel(models, target.model)
		if err != nil {
			t.Fatal(err)
		}
		g := &generator{model: m, target: target}
		code, err := g.file()
		if err != nil {
			t.Fatal(err)
		}
		for name := range g.shapes {
			pattern := m.Shapes[name].Pattern
			if pattern != "" && !bytes.Contains(code, []byte(`Pattern: `+quote(pattern))) {
				t.Errorf("%s: the pattern of %s is not in the generated code", target.model, name)
			}
		}
		// Every reference from a tag or a shape must lead to a shape.
		for _, ref := range regexp.MustCompile(`(?:shape=|Item: "|Key: ")([A-Za-z0-9_]+)`).FindAllSubmatch(code, -1) {
			if !g.shapes[string(ref[1])] {
				t.Errorf("%s: %s is referred to and not there", target.model, ref[1])
			}
		}
	}
}

func TestUnknownOperationIsAnError(t *testing.T) {
	m := &model{name: "x"}
	if err := json.Unmarshal([]byte(`{"metadata":{"protocol":"json","jsonVersion":"1.1"},"operations":{},"shapes":{}}`), m); err != nil {
		t.Fatal(err)
	}
	g := &generator{model: m, target: target{model: "x", pkg: "x", operations: []string{"Fly"}}}
	if _, err := g.file(); err == nil || !strings.Contains(err.Error(), "there is no operation Fly") {
		t.Errorf("error is %v", err)
	}
}

const tiny = `{
 "metadata": {"protocol": "rest-xml", "apiVersion": "1", "endpointPrefix": "tiny", "serviceFullName": "Tiny", "serviceId": "Tiny"},
 "operations": {
  "GetThing": {"name": "GetThing", "http": {"method": "GET", "requestUri": "/things/{Name}"}, "input": {"shape": "GetThingRequest"}, "output": {"shape": "thing"}, "errors": [{"shape": "Gone"}]},
  "GetPart": {"name": "GetPart", "http": {"method": "GET", "requestUri": "/things/{Name}"}, "input": {"shape": "GetPartRequest"}}
 },
 "shapes": {
  "GetThingRequest": {"type": "structure", "required": ["Name"], "members": {"Name": {"shape": "Name", "location": "uri", "locationName": "Name"}}},
  "GetPartRequest": {"type": "structure", "required": ["Part"], "members": {"Part": {"shape": "Name", "location": "querystring", "locationName": "part"}}},
  "Name": {"type": "string", "min": 0, "max": 9, "pattern": "a` + "`" + `b"},
  "thing": {"type": "structure", "members": {"list": {"shape": "List"}, "next": {"shape": "thing"}, "when": {"shape": "When"}}},
  "List": {"type": "list", "flattened": true, "member": {"shape": "Name", "locationName": "One"}},
  "When": {"type": "timestamp", "timestampFormat": "rfc822"},
  "Gone": {"type": "structure", "exception": true, "error": {"code": "Lost", "httpStatusCode": 410}, "members": {"message": {"shape": "Name"}}}
 }}`

const tinyStream = `{
 "metadata": {"protocol": "rest-json", "apiVersion": "1", "endpointPrefix": "tiny", "serviceFullName": "Tiny", "serviceId": "Tiny"},
 "operations": {
  "Watch": {"name": "Watch", "http": {"method": "GET", "requestUri": "/watch"}, "output": {"shape": "WatchOutput"}},
  "Talk": {"name": "Talk", "http": {"method": "POST", "requestUri": "/talk"}, "input": {"shape": "WatchOutput"}},
  "Tag": {"name": "Tag", "http": {"method": "GET", "requestUri": "/tag"}, "output": {"shape": "TagOutput"}}
 },
 "shapes": {
  "WatchOutput": {"type": "structure", "payload": "Events", "members": {"Kind": {"shape": "Text", "location": "header", "locationName": "X-Kind"}, "Events": {"shape": "Events"}}},
  "Events": {"type": "structure", "eventstream": true, "members": {"Part": {"shape": "Part"}, "Gone": {"shape": "Gone"}}},
  "Part": {"type": "structure", "event": true, "members": {"Bytes": {"shape": "Blob", "eventpayload": true}}},
  "Gone": {"type": "structure", "exception": true, "error": {"httpStatusCode": 410}, "members": {"message": {"shape": "Text"}}},
  "TagOutput": {"type": "structure", "members": {"Events": {"shape": "TagEvents"}}},
  "TagEvents": {"type": "structure", "eventstream": true, "members": {"Tagged": {"shape": "Tagged"}}},
  "Tagged": {"type": "structure", "event": true, "members": {"Name": {"shape": "Text", "eventheader": true}}},
  "Text": {"type": "string"}, "Blob": {"type": "blob"}
 }}`

// TestEventStreams: an output goes before its events, and errors are Go's.
func TestEventStreams(t *testing.T) {
	generated := func(operation string) (string, error) {
		m := &model{name: "tiny"}
		if err := json.Unmarshal([]byte(tinyStream), m); err != nil {
			t.Fatal(err)
		}
		g := &generator{model: m, target: target{model: "tiny", pkg: "tiny", operations: []string{operation}}}
		code, err := g.file()
		return string(code), err
	}
	code, err := generated("Watch")
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"protocol.StreamOp(protocol.Route{Name: \"Watch\", Method: \"GET\", URI: \"/watch\"}, 200, API.Watch)",
		"Watch(context.Context, *protocol.Empty, *protocol.Events[WatchOutput, Events]) error",
		"type WatchOutput struct {\n\tKind *string `aws:\"X-Kind,header\"`\n}",
		"type Events struct {\n\tPart *Part `aws:\"Part\"`\n}",
		"Bytes []byte `aws:\"Bytes,eventpayload\"`",
		"{Name: \"Gone\", Status: 410",
	} {
		if !strings.Contains(code, want) {
			t.Errorf("%s is not in:\n%s", want, code)
		}
	}
	for operation, says := range map[string]string{"Talk": "the input of Talk is an event stream", "Tag": "Tagged.Name goes into the header of an event"} {
		if _, err := generated(operation); err == nil || !strings.Contains(err.Error(), says) {
			t.Errorf("%s: error is %v", operation, err)
		}
	}
}

func TestGeneratedForm(t *testing.T) {
	m := &model{name: "tiny"}
	if err := json.Unmarshal([]byte(tiny), m); err != nil {
		t.Fatal(err)
	}
	g := &generator{model: m, target: target{model: "tiny", pkg: "tiny", operations: []string{"GetThing"}}}
	code, err := g.file()
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{
		"protocol.Op(protocol.Route{Name: \"GetThing\", Method: \"GET\", URI: \"/things/{Name}\"}, 200, API.GetThing)",
		"{Name: \"GetPart\", Method: \"GET\", URI: \"/things/{Name}\", Needs: []string{\"?part\"}}",
		"{Name: \"Gone\", Status: 410, Code: \"Lost\", Members: []string{\"message\"}}",
		"{Limits: \"0..9\", Pattern: \"a`b\"}",
		"{Item: \"Name\", ItemName: \"One\"}",
		"{Time: \"rfc822\"}",
		"GetThing(context.Context, *GetThingRequest) (*Thing, error)",
		"Name *string `aws:\"Name,uri,required,shape=Name\"`",
		"List []string   `aws:\"One,flattened,shape=List\"`",
		"Next *Thing     `aws:\"next\"`",
		"When *time.Time `aws:\"when,shape=When\"`",
	} {
		if !bytes.Contains(code, []byte(want)) {
			t.Errorf("%s is not in:\n%s", want, code)
		}
	}
	if bytes.Contains(code, []byte("GetPartRequest")) {
		t.Error("a type of an operation that is not served was generated")
	}
}
