package queue

import (
	"context"
	"encoding/json"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// policy is a policy document, as far as AddPermission makes it. It is kept, and
// nothing is decided by it yet.
type policy struct {
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

// parsePolicy holds a policy against the language of IAM's policies, as far as that
// says that it is one. "" is none.
func parsePolicy(text string) (string, error) {
	if text == "" {
		return "", nil
	}
	var p struct {
		Version   string          `json:"Version"`
		ID        string          `json:"Id"`
		Statement json.RawMessage `json:"Statement"`
	}
	if len(text) > maxPolicy || strict(text, &p) != nil || !slices.Contains([]string{"", "2008-10-17", "2012-10-17"}, p.Version) {
		return "", badValue("Policy")
	}
	all, err := statements(p.Statement)
	if err != nil || len(all) == 0 {
		return "", badValue("Policy")
	}
	if len(all) > maxStatements {
		return "", overStatements(len(all))
	}
	for _, raw := range all {
		var s struct {
			Sid                                      string
			Effect                                   string
			Principal, NotPrincipal, Condition       json.RawMessage
			Action, NotAction, Resource, NotResource oneOrMore
		}
		if strict(string(raw), &s) != nil || s.Effect != "Allow" && s.Effect != "Deny" || len(s.Action)+len(s.NotAction) == 0 {
			return "", badValue("Policy")
		}
	}
	return text, nil
}

func overStatements(n int) error {
	return pinfold.Errorf(pinfold.Invalid, "%d statements were found in the submitted policy, max allowed is %d", n, maxStatements).WithReason("OverLimit")
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
		return errEnvelope
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
	case p.Label == "" || len(p.Label) > maxLabel || strings.Trim(p.Label, letters) != "":
		return invalidValue(p.Label, "Label", "Can only include alphanumeric characters, hyphens, or underscores. 1 to 80 in length.")
	case len(p.Accounts) == 0:
		return required("AWSAccountIds")
	case len(p.Actions) == 0:
		return required("Actions")
	case len(p.Actions) > maxActions:
		return pinfold.Errorf(pinfold.Invalid, "%d Actions were found, maximum allowed is %d.", len(p.Actions), maxActions).WithReason("OverLimit")
	}
	for _, account := range p.Accounts {
		if len(account) != 12 || strings.Trim(account, "0123456789") != "" {
			return invalidValue("["+account+"]", "PrincipalId", "Unable to verify.")
		}
	}
	for _, action := range p.Actions {
		if !slices.Contains(permitted, action) {
			return invalidValue("SQS:"+action, "ActionName", "Please refer to the appropriate WSDL for a list of valid actions.")
		}
	}
	return nil
}

// AddPermission adds a statement to a queue's policy.
func (s *Service) AddPermission(ctx context.Context, ref Ref, p Permission) error {
	if err := p.check(); err != nil {
		return err
	}
	return s.change(ctx, ref, func(_ store.Tx, q *pinfold.MessageQueue) error {
		doc, err := permissions(q)
		if err != nil {
			return err
		}
		if slices.ContainsFunc(doc.Statement, func(raw json.RawMessage) bool { return sid(raw) == p.Label }) {
			return invalidValue(p.Label, "Label", "Already exists.")
		}
		if len(doc.Statement) >= maxStatements {
			return overStatements(len(doc.Statement) + 1)
		}
		st := statement{Sid: p.Label, Effect: "Allow", Resource: oneOrMore{q.ARN()}}
		var who oneOrMore
		for _, account := range p.Accounts {
			who = append(who, "arn:aws:iam::"+account+":root")
		}
		for _, action := range p.Actions {
			st.Action = append(st.Action, "SQS:"+action)
		}
		if st.Principal, err = json.Marshal(map[string]oneOrMore{"AWS": who}); err != nil {
			return err
		}
		raw, err := json.Marshal(st)
		if err != nil {
			return err
		}
		doc.Statement = append(doc.Statement, raw)
		return doc.put(q)
	})
}

// RemovePermission removes the statement of a label from a queue's policy.
func (s *Service) RemovePermission(ctx context.Context, ref Ref, label string) error {
	return s.change(ctx, ref, func(_ store.Tx, q *pinfold.MessageQueue) error {
		doc, err := permissions(q)
		if err != nil {
			return err
		}
		rest := slices.DeleteFunc(slices.Clone(doc.Statement), func(raw json.RawMessage) bool { return sid(raw) == label })
		if len(rest) == len(doc.Statement) {
			return invalidValue(label, "Label", "can't find label.")
		}
		doc.Statement = rest
		return doc.put(q)
	})
}

func sid(raw json.RawMessage) string {
	var s struct{ Sid string }
	_ = json.Unmarshal(raw, &s) // it was valid when it was set
	return s.Sid
}

// permissions reads a queue's policy, to be added to.
func permissions(q *pinfold.MessageQueue) (*policy, error) {
	if q.Policy == "" {
		return &policy{Version: "2008-10-17", ID: q.ARN() + "/SQSDefaultPolicy"}, nil
	}
	var p struct {
		Version   string
		ID        string `json:"Id"`
		Statement json.RawMessage
	}
	err := json.Unmarshal([]byte(q.Policy), &p)
	if err != nil {
		return nil, err
	}
	all, err := statements(p.Statement)
	return &policy{p.Version, p.ID, all}, err
}

func (p *policy) put(q *pinfold.MessageQueue) error {
	if len(p.Statement) == 0 {
		q.Policy = ""
		return nil
	}
	text, err := json.Marshal(p)
	if err == nil && len(text) > maxPolicy {
		return badValue("Policy")
	}
	q.Policy = string(text)
	return err
}
