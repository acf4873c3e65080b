// Package policy reads and changes the policies of queues: JSON documents in the
// language of IAM. It is a leaf below internal/queue, which keeps policies as texts.
// Nothing is decided by them yet.
package policy

import (
	"encoding/json"
	"errors"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
)

// document is a policy, as far as AddPermission makes it.
type document struct {
	Version   string            `json:"Version,omitempty"`
	ID        string            `json:"Id,omitempty"`
	Statement []json.RawMessage `json:"Statement"`
}

type statement struct {
	Sid       string          `json:"Sid,omitempty"`
	Effect    string          `json:"Effect"`
	Principal json.RawMessage `json:"Principal"`
	Action    oneOrMore       `json:"Action"`
	Resource  oneOrMore       `json:"Resource"`
}

// oneOrMore is a list of texts that is written as a text where it is one.
type oneOrMore []string

func (o oneOrMore) MarshalJSON() ([]byte, error) {
	if len(o) == 1 {
		return json.Marshal(o[0])
	}
	return json.Marshal([]string(o))
}

func (o *oneOrMore) UnmarshalJSON(b []byte) error {
	if len(b) > 0 && b[0] == '"' {
		*o = make([]string, 1)
		return json.Unmarshal(b, &(*o)[0])
	}
	return json.Unmarshal(b, (*[]string)(o))
}

// Limits of policies. Source: "Amazon SQS policy quotas", SQS developer guide.
const (
	maxPolicy     = 8192 // bytes
	maxStatements = 20
	maxActions    = 7
	maxLabel      = 80
)

func wrong() error {
	return pinfold.Errorf(pinfold.Invalid, "Invalid value for the parameter Policy.").WithReason("InvalidAttributeValue")
}

func invalid(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason("InvalidParameterValueException")
}

func overLimit(format string, args ...any) error {
	return pinfold.Errorf(pinfold.Invalid, format, args...).WithReason("OverLimit")
}

// Check holds a text against the language of IAM's policies, as far as that says
// that it is one. "" is none, and right.
func Check(text string) error {
	if text == "" {
		return nil
	}
	var p struct {
		Version   string          `json:"Version"`
		ID        string          `json:"Id"`
		Statement json.RawMessage `json:"Statement"`
	}
	if len(text) > maxPolicy || strict(text, &p) != nil || !slices.Contains([]string{"", "2008-10-17", "2012-10-17"}, p.Version) {
		return wrong()
	}
	all, err := statements(p.Statement)
	if err != nil || len(all) == 0 {
		return wrong()
	}
	if len(all) > maxStatements {
		return overStatements(len(all))
	}
	for _, raw := range all {
		var s struct {
			Sid                                      string
			Effect                                   string
			Principal, NotPrincipal, Condition       json.RawMessage
			Action, NotAction, Resource, NotResource oneOrMore
		}
		if strict(string(raw), &s) != nil || s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action)+len(s.NotAction) == 0 {
			return wrong()
		}
	}
	return nil
}

func overStatements(n int) error {
	return overLimit("%d statements were found in the submitted policy, max allowed is %d", n, maxStatements)
}

// statements returns the statements of a policy, which may have a single one without
// a list.
func statements(raw json.RawMessage) (all []json.RawMessage, err error) {
	if len(raw) > 0 && raw[0] == '{' {
		return []json.RawMessage{raw}, nil
	}
	err = json.Unmarshal(raw, &all)
	return all, err
}

// strict reads JSON that must have no members that are not known.
func strict(text string, to any) error {
	dec := json.NewDecoder(strings.NewReader(text))
	dec.DisallowUnknownFields()
	if err := dec.Decode(to); err != nil {
		return err
	}
	if dec.More() {
		return errors.New("something follows the end of the JSON text")
	}
	return nil
}

// Permission is what AddPermission puts into a queue's policy.
type Permission struct {
	Label    string
	Accounts []string
	Actions  []string // without "SQS:"
}

// permitted are the actions that AddPermission can permit. Source: "Actions" of
// AddPermission, SQS API reference.
var permitted = []string{"*", "ChangeMessageVisibility", "DeleteMessage", "GetQueueAttributes", "GetQueueUrl", "ReceiveMessage", "SendMessage"}

func (p *Permission) check() error {
	switch {
	case p.Label == "" || len(p.Label) > maxLabel || strings.Trim(p.Label, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_") != "":
		return invalid("Value %s for parameter Label is invalid. Reason: Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.", p.Label)
	case len(p.Accounts) == 0:
		return missing("AWSAccountIds")
	case len(p.Actions) == 0:
		return missing("Actions")
	case len(p.Actions) > maxActions:
		return overLimit("%d Actions were found, maximum allowed is %d.", len(p.Actions), maxActions)
	}
	for _, account := range p.Accounts {
		if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
			return invalid("Value [%s] for parameter PrincipalId is invalid. Reason: Unable to verify.", account)
		}
	}
	for _, action := range p.Actions {
		if !slices.Contains(permitted, action) {
			return invalid("Value SQS:%s for parameter ActionName is invalid. Reason: Please refer to the appropriate WSDL for a list of valid actions.", action)
		}
	}
	return nil
}

func missing(parameter string) error {
	return pinfold.Errorf(pinfold.Invalid, "The request must contain the parameter %s.", parameter).WithReason("MissingRequiredParameterException")
}

// Add returns the policy of the queue of an ARN with a statement more.
func Add(text, arn string, p Permission) (string, error) {
	if err := p.check(); err != nil {
		return "", err
	}
	doc, err := read(text, arn)
	if err != nil {
		return "", err
	}
	if slices.ContainsFunc(doc.Statement, func(raw json.RawMessage) bool { return sid(raw) == p.Label }) {
		return "", invalid("Value %s for parameter Label is invalid. Reason: Already exists.", p.Label)
	}
	if len(doc.Statement) >= maxStatements {
		return "", overStatements(len(doc.Statement) + 1)
	}
	st := statement{Sid: p.Label, Effect: "Allow", Resource: oneOrMore{arn}}
	var who oneOrMore
	for _, account := range p.Accounts {
		who = append(who, "arn:aws:iam::"+account+":root")
	}
	for _, action := range p.Actions {
		st.Action = append(st.Action, "SQS:"+action)
	}
	if st.Principal, err = json.Marshal(map[string]oneOrMore{"AWS": who}); err != nil {
		return "", err
	}
	raw, err := json.Marshal(st)
	if err != nil {
		return "", err
	}
	doc.Statement = append(doc.Statement, raw)
	return doc.write()
}

// Remove returns a policy without the statement of a label.
func Remove(text, label string) (string, error) {
	doc, err := read(text, "")
	if err != nil {
		return "", err
	}
	rest := slices.DeleteFunc(slices.Clone(doc.Statement), func(raw json.RawMessage) bool { return sid(raw) == label })
	if len(rest) == len(doc.Statement) {
		return "", invalid("Value %s for parameter Label is invalid. Reason: can't find label.", label)
	}
	doc.Statement = rest
	return doc.write()
}

func sid(raw json.RawMessage) string {
	var s struct{ Sid string }
	_ = json.Unmarshal(raw, &s) // it was valid when it was set
	return s.Sid
}

// read reads a policy; "" is an empty one of the queue of an ARN.
func read(text, arn string) (*document, error) {
	if text == "" {
		return &document{Version: "2008-10-17", ID: arn + "/SQSDefaultPolicy"}, nil
	}
	var p struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	if err := json.Unmarshal([]byte(text), &p); err != nil {
		return nil, err
	}
	all, err := statements(p.Statement)
	return &document{p.Version, p.ID, all}, err
}

// write returns the policy as a text, "" for one without statements.
func (d *document) write() (string, error) {
	if len(d.Statement) == 0 {
		return "", nil
	}
	text, err := json.Marshal(d)
	if err == nil && len(text) > maxPolicy {
		return "", wrong()
	}
	return string(text), err
}
