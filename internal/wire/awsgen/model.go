package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
)

// model is a service description in botocore's service-2.json form.
type model struct {
	name     string // of its file
	Metadata struct {
		APIVersion         string `json:"apiVersion"`
		EndpointPrefix     string `json:"endpointPrefix"`
		JSONVersion        string `json:"jsonVersion"`
		Protocol           string `json:"protocol"`
		ServiceFullName    string `json:"serviceFullName"`
		ServiceID          string `json:"serviceId"`
		SigningName        string `json:"signingName"`
		TargetPrefix       string `json:"targetPrefix"`
		XMLNamespace       string `json:"xmlNamespace"`
		AWSQueryCompatible *any   `json:"awsQueryCompatible"`
	} `json:"metadata"`
	Operations map[string]operation `json:"operations"`
	Shapes     map[string]*shape    `json:"shapes"`
}

type operation struct {
	Name string `json:"name"`
	HTTP struct {
		Method       string `json:"method"`
		RequestURI   string `json:"requestUri"`
		ResponseCode int    `json:"responseCode"`
	} `json:"http"`
	Input  *ref  `json:"input"`
	Output *ref  `json:"output"`
	Errors []ref `json:"errors"`
}

// ref is a reference to a shape, with what the place adds to it.
type ref struct {
	Shape        string `json:"shape"`
	Location     string `json:"location"`
	LocationName string `json:"locationName"`
	Flattened    bool   `json:"flattened"`
	XMLAttribute bool   `json:"xmlAttribute"`
	Streaming    bool   `json:"streaming"`
	EventPayload bool   `json:"eventpayload"`
	EventHeader  bool   `json:"eventheader"`
	XMLNamespace *struct {
		URI string `json:"uri"`
	} `json:"xmlNamespace"`
}

type shape struct {
	Type            string         `json:"type"`
	Members         map[string]ref `json:"members"`
	Required        []string       `json:"required"`
	Payload         string         `json:"payload"`
	Member          *ref           `json:"member"`
	Key             *ref           `json:"key"`
	Value           *ref           `json:"value"`
	Enum            []string       `json:"enum"`
	Pattern         string         `json:"pattern"`
	Min             *json.Number   `json:"min"`
	Max             *json.Number   `json:"max"`
	Flattened       bool           `json:"flattened"`
	Sensitive       bool           `json:"sensitive"`
	Streaming       bool           `json:"streaming"`
	Document        bool           `json:"document"`
	EventStream     bool           `json:"eventstream"`
	TimestampFormat string         `json:"timestampFormat"`
	XMLNamespace    *struct {
		URI string `json:"uri"`
	} `json:"xmlNamespace"`
	Error *struct {
		Code       string `json:"code"`
		HTTPStatus int    `json:"httpStatusCode"`
	} `json:"error"`
	Exception bool `json:"exception"`
	Fault     bool `json:"fault"`
}

func readModel(dir, name string) (*model, error) {
	data, err := os.ReadFile(filepath.Join(dir, name+".json"))
	if err != nil {
		return nil, fmt.Errorf("reading a service description: %w", err)
	}
	m := &model{name: name}
	if err := json.Unmarshal(data, m); err != nil {
		return nil, fmt.Errorf("%s.json: %w", name, err)
	}
	return m, nil
}

// events returns the shape of the event stream that an input or output has, or "".
func (m *model) events(in *ref) string {
	if in != nil {
		for _, r := range m.Shapes[in.Shape].Members {
			if m.Shapes[r.Shape].EventStream {
				return r.Shape
			}
		}
	}
	return ""
}

// protocol returns the Go name of the protocol's constant.
func (m *model) protocol() (string, error) {
	switch m.Metadata.Protocol {
	case "json":
		return "JSON" + m.Metadata.JSONVersion[:1] + m.Metadata.JSONVersion[2:], nil
	case "rest-json":
		return "RESTJSON", nil
	case "rest-xml":
		return "RESTXML", nil
	case "query":
		return "Query", nil
	case "smithy-rpc-v2-cbor": // spoken by few; every such service takes query as well
		return "Query", nil
	}
	return "", fmt.Errorf("%s: protocol %q is not known", m.name, m.Metadata.Protocol)
}

func (m *model) isXML() bool {
	return m.Metadata.Protocol == "rest-xml" || m.Metadata.Protocol == "query"
}

func (m *model) signing() string {
	if m.Metadata.SigningName != "" {
		return m.Metadata.SigningName
	}
	return m.Metadata.EndpointPrefix
}
