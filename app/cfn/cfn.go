// Package cfn evaluates CloudFormation's intrinsic functions (Ref, Fn::GetAtt,
// Fn::Sub, ...) and tells what resources are called, before anything is
// deployed: on Pinfold every name, ARN and URL follows from the application's
// own names and its target. It reads the resources of queues and schedules, and of
// what leads from them to functions.
//
// The readers (app/serverless, later SAM) share it. It knows nothing of how
// functions and their events are written in either.
package cfn

import (
	"fmt"
	"slices"
	"strings"

	"pinfold.dev/pinfold/app"
	"pinfold.dev/pinfold/app/doc"
)

// Scope is what intrinsic functions can see: one stack for one target.
type Scope struct {
	Target app.Target
	Stack  string // the stack's name
	// Resources are the resources of the template by logical ID.
	Resources map[string]Resource
	// Made answers for resources that the reader makes itself (functions,
	// APIs). An empty attribute is a Ref. It may be nil.
	Made func(id, attribute string) (value string, ok bool)
	// MadeIDs are the logical IDs that Made knows, for suggestions.
	MadeIDs []string
	// Parameters, Mappings and Conditions are sections of the template; nil if
	// it has none.
	Parameters, Mappings, Conditions *doc.Node
	// Resolve makes a value of the template ready, for a reader whose language
	// has variables of its own. It may be nil.
	Resolve func(*doc.Node) (*doc.Node, error)
	// Import answers Fn::ImportValue. It may be nil.
	Import func(name string) (value string, ok bool)
	// Warn takes what is worth telling and stops nothing. It may be nil.
	Warn func(at app.Position, message string)

	deciding []string // conditions that are being evaluated
	naming   []string // resources whose names are being made
	used     []string // resources whose names were asked for
}

// Resource is one resource of a template.
type Resource struct {
	ID         string
	Type       string
	Properties *doc.Node // may be nil
	DependsOn  []string
	Retain     bool // left alone when the template no longer has it
	At         app.Position
	// Label and Words are for a resource that a reader makes of something else: what
	// that is called, and the names that people gave to its properties.
	Label string
	Words map[string]string
}

// IsCall reports whether a node is an intrinsic function, and which.
func IsCall(n *doc.Node) (name string, ok bool) {
	m := n.Map()
	if m == nil || len(m.Keys) != 1 {
		return "", false
	}
	name = m.Keys[0].Name
	if name == "Condition" {
		_, ok = m.Get(name).Text() // or else it is a part of an IAM statement
		return name, ok
	}
	return name, name == "Ref" || strings.HasPrefix(name, "Fn::")
}

// Eval returns the node with all intrinsic functions in it evaluated. A value
// that is AWS::NoValue is left out; on its own it is nil. The error is an
// [app.Problem] at the place of the mistake.
func (s *Scope) Eval(n *doc.Node) (*doc.Node, error) {
	n, err := s.resolve(n)
	if err != nil || n == nil {
		return nil, err
	}
	if name, ok := IsCall(n); ok {
		return s.call(n, name, n.Map().Get(name))
	}
	switch v := n.Value.(type) {
	case *doc.Map:
		m := doc.NewMap()
		for _, k := range v.Keys {
			value, err := s.Eval(v.Get(k.Name))
			if err != nil {
				return nil, err
			}
			if value != nil {
				m.Set(k, value)
			}
		}
		return doc.New(n.At, m), nil
	case doc.List:
		list := make(doc.List, 0, len(v))
		for _, item := range v {
			value, err := s.Eval(item)
			if err != nil {
				return nil, err
			}
			if value != nil {
				list = append(list, value)
			}
		}
		return doc.New(n.At, list), nil
	}
	return n, nil
}

func (s *Scope) resolve(n *doc.Node) (*doc.Node, error) {
	if n == nil || s.Resolve == nil {
		return n, nil
	}
	return s.Resolve(n)
}

// text evaluates a node that has to be a scalar.
func (s *Scope) text(n *doc.Node, who string) (string, error) {
	value, err := s.Eval(n)
	if err != nil {
		return "", err
	}
	text, ok := value.Text()
	if !ok {
		return "", problem(n, "%s needs a text here, not %s", who, value.What())
	}
	return text, nil
}

func problem(n *doc.Node, format string, args ...any) error {
	return n.Problem(fmt.Sprintf(format, args...))
}

// args evaluates the arguments of a function that takes between low and high.
func (s *Scope) args(n *doc.Node, name string, arg *doc.Node, low, high int) (doc.List, error) {
	arg, err := s.resolve(arg)
	if err != nil {
		return nil, err
	}
	list := arg.List()
	if list == nil || len(list) < low || len(list) > high {
		want := fmt.Sprint(low)
		if high > low {
			want += fmt.Sprintf(" to %d", high)
		}
		return nil, problem(n, "%s needs a list of %s values, not %s", name, want, arg.What())
	}
	return list, nil
}

func (s *Scope) call(n *doc.Node, name string, arg *doc.Node) (*doc.Node, error) {
	text := func(v string, err error) (*doc.Node, error) {
		if err != nil {
			return nil, err
		}
		return doc.New(n.At, v), nil
	}
	truth := func(v bool, err error) (*doc.Node, error) {
		if err != nil {
			return nil, err
		}
		return doc.New(n.At, v), nil
	}
	switch name {
	case "Ref":
		return s.ref(n, arg)
	case "Fn::GetAtt":
		return text(s.getAtt(n, arg))
	case "Fn::Sub":
		return text(s.sub(n, arg))
	case "Fn::Join":
		return text(s.join(n, arg))
	case "Fn::Split":
		return s.split(n, arg)
	case "Fn::Select":
		return s.selectOne(n, arg)
	case "Fn::If":
		return s.choose(n, arg)
	case "Condition", "Fn::Equals", "Fn::And", "Fn::Or", "Fn::Not":
		return truth(s.decide(n))
	case "Fn::FindInMap":
		return s.findInMap(n, arg)
	case "Fn::Base64":
		return text(s.base64(arg))
	case "Fn::GetAZs":
		list := doc.List{}
		for _, zone := range "abc" {
			list = append(list, doc.New(n.At, s.Target.Region+string(zone)))
		}
		return doc.New(n.At, list), nil
	case "Fn::ToJsonString":
		value, err := s.Eval(arg)
		if err != nil {
			return nil, err
		}
		b, err := value.MarshalJSON()
		return text(string(b), err)
	case "Fn::Length":
		value, err := s.Eval(arg)
		if err != nil {
			return nil, err
		}
		return doc.New(n.At, int64(len(value.List()))), nil
	case "Fn::ImportValue":
		return text(s.importValue(n, arg))
	}
	return nil, problem(n, "%s cannot be evaluated: Pinfold serves Ref, Fn::GetAtt, Fn::Sub, Fn::Join, Fn::Select, Fn::Split, Fn::If with conditions, Fn::FindInMap, Fn::Base64, Fn::GetAZs, Fn::Length and Fn::ToJsonString", name)
}

// pseudo returns a pseudo parameter. Source: "Pseudo parameters reference" in
// the CloudFormation user guide.
func (s *Scope) pseudo(name string) (string, bool) {
	switch name {
	case "AWS::Region":
		return s.Target.Region, true
	case "AWS::AccountId":
		return s.Target.Account, true
	case "AWS::Partition":
		return "aws", true
	case "AWS::URLSuffix":
		return "amazonaws.com", true
	case "AWS::StackName":
		return s.Stack, true
	case "AWS::StackId":
		return "arn:aws:cloudformation:" + s.Target.Region + ":" + s.Target.Account + ":stack/" + s.Stack + "/" + uuid(s.seed("stack")), true
	}
	return "", false
}

func (s *Scope) ref(n, arg *doc.Node) (*doc.Node, error) {
	arg, err := s.resolve(arg)
	if err != nil {
		return nil, err
	}
	id, ok := arg.Value.(string)
	if !ok {
		return nil, problem(n, "Ref needs the name of a resource or a parameter, not %s", arg.What())
	}
	if id == "AWS::NoValue" {
		return nil, nil
	}
	if id == "AWS::NotificationARNs" {
		return doc.New(n.At, doc.List{}), nil
	}
	if p := s.Parameters.Map().Get(id); p != nil {
		return s.parameter(n, id, p)
	}
	value, err := s.lookup(n, id, "")
	if err != nil {
		return nil, err
	}
	return doc.New(n.At, value), nil
}

func (s *Scope) parameter(n *doc.Node, id string, p *doc.Node) (*doc.Node, error) {
	p, err := s.resolve(p)
	if err != nil {
		return nil, err
	}
	value := p.Map().Get("Default")
	if value == nil {
		return nil, problem(n, "the parameter %s has no Default, and nothing else can give it a value here", id)
	}
	return s.Eval(value)
}

// lookup returns an attribute of a resource, or what Ref gives for "".
func (s *Scope) lookup(n *doc.Node, id, attribute string) (string, error) {
	if v, ok := s.pseudo(id); ok && attribute == "" {
		return v, nil
	}
	if r, ok := s.Resources[id]; ok {
		s.used = append(s.used, id)
		return s.attribute(n, r, attribute)
	}
	if s.Made != nil {
		if v, ok := s.Made(id, attribute); ok {
			return v, nil
		}
		if slices.Contains(s.MadeIDs, id) {
			return "", problem(n, "%s has no attribute %s that is known before it is deployed", id, attribute)
		}
	}
	known := slices.Clone(s.MadeIDs)
	for name := range s.Resources {
		known = append(known, name)
	}
	known = append(known, s.Parameters.Map().Names()...)
	if strings.HasPrefix(id, "AWS::") {
		return "", problem(n, "%s is no pseudo parameter: they are AWS::Region, AWS::AccountId, AWS::Partition, AWS::StackName, AWS::StackId, AWS::URLSuffix and AWS::NoValue", id)
	}
	return "", problem(n, "there is no resource or parameter %s%s", id, doc.DidYouMean(id, known))
}

func (s *Scope) getAtt(n, arg *doc.Node) (string, error) {
	arg, err := s.Eval(arg)
	if err != nil {
		return "", err
	}
	if arg == nil {
		arg = doc.New(n.At, nil)
	}
	id, attribute := "", ""
	switch v := arg.Value.(type) {
	case string:
		id, attribute, _ = strings.Cut(v, ".")
	case doc.List:
		for i, item := range v {
			text, ok := item.Text()
			switch {
			case !ok:
				return "", problem(n, "Fn::GetAtt needs names, not %s", item.What())
			case i == 0:
				id = text
			case i == 1:
				attribute = text
			default:
				attribute += "." + text
			}
		}
	}
	if id == "" || attribute == "" {
		return "", problem(n, "Fn::GetAtt needs a resource and an attribute: [Resource, Attribute] or \"Resource.Attribute\"")
	}
	return s.lookup(n, id, attribute)
}
