package cfn

import (
	"encoding/base64"
	"strconv"
	"strings"

	"pinfold.dev/pinfold/app/doc"
)

// sub evaluates Fn::Sub: "text ${Name} ${Name.Attribute} ${!Literal}", or that
// with a map of names of its own.
func (s *Scope) sub(n, arg *doc.Node) (string, error) {
	arg, err := s.resolve(arg)
	if err != nil {
		return "", err
	}
	var own *doc.Map
	template := arg
	if list := arg.List(); len(list) == 2 {
		if template, err = s.resolve(list[0]); err != nil {
			return "", err
		}
		vars, err := s.resolve(list[1])
		if err != nil {
			return "", err
		}
		own = vars.Map()
	}
	text, ok := template.Text()
	if !ok {
		return "", problem(n, "Fn::Sub needs a text, or a list of a text and a map of names, not %s", arg.What())
	}
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(text, "${")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		name, after, closed := strings.Cut(rest, "}")
		if !closed {
			return "", problem(template, "Fn::Sub: \"${%s\" is not closed with }", rest)
		}
		text = after
		if literal, ok := strings.CutPrefix(name, "!"); ok {
			b.WriteString("${" + literal + "}")
			continue
		}
		value, err := s.subOne(template, own, strings.TrimSpace(name))
		if err != nil {
			return "", err
		}
		b.WriteString(value)
	}
}

func (s *Scope) subOne(n *doc.Node, own *doc.Map, name string) (string, error) {
	if v := own.Get(name); v != nil {
		return s.text(v, "Fn::Sub")
	}
	if id, attribute, ok := strings.Cut(name, "."); ok {
		return s.lookup(n, id, attribute)
	}
	value, err := s.ref(n, doc.New(n.At, name))
	if err != nil {
		return "", err
	}
	text, ok := value.Text()
	if !ok {
		return "", problem(n, "Fn::Sub cannot put ${%s} into a text: it is %s", name, value.What())
	}
	return text, nil
}

func (s *Scope) join(n, arg *doc.Node) (string, error) {
	list, err := s.args(n, "Fn::Join", arg, 2, 2)
	if err != nil {
		return "", err
	}
	separator, err := s.text(list[0], "Fn::Join")
	if err != nil {
		return "", err
	}
	values, err := s.Eval(list[1])
	if err != nil {
		return "", err
	}
	if values.List() == nil {
		return "", problem(n, "Fn::Join needs a list of texts to join, not %s", values.What())
	}
	var parts []string
	for _, v := range values.List() {
		text, ok := v.Text()
		if !ok {
			return "", problem(v, "Fn::Join can join texts only, not %s", v.What())
		}
		parts = append(parts, text)
	}
	return strings.Join(parts, separator), nil
}

func (s *Scope) split(n, arg *doc.Node) (*doc.Node, error) {
	list, err := s.args(n, "Fn::Split", arg, 2, 2)
	if err != nil {
		return nil, err
	}
	separator, err := s.text(list[0], "Fn::Split")
	if err != nil {
		return nil, err
	}
	text, err := s.text(list[1], "Fn::Split")
	if err != nil {
		return nil, err
	}
	if separator == "" {
		return nil, problem(n, "Fn::Split needs a separator")
	}
	parts := doc.List{}
	for part := range strings.SplitSeq(text, separator) {
		parts = append(parts, doc.New(n.At, part))
	}
	return doc.New(n.At, parts), nil
}

func (s *Scope) selectOne(n, arg *doc.Node) (*doc.Node, error) {
	list, err := s.args(n, "Fn::Select", arg, 2, 2)
	if err != nil {
		return nil, err
	}
	text, err := s.text(list[0], "Fn::Select")
	if err != nil {
		return nil, err
	}
	values, err := s.Eval(list[1])
	if err != nil {
		return nil, err
	}
	i, err := strconv.Atoi(text)
	if err != nil || i < 0 || i >= len(values.List()) {
		return nil, problem(n, "Fn::Select: %q is no place in a list of %d values (the first is 0)", text, len(values.List()))
	}
	return values.List()[i], nil
}

func (s *Scope) choose(n, arg *doc.Node) (*doc.Node, error) {
	list, err := s.args(n, "Fn::If", arg, 3, 3)
	if err != nil {
		return nil, err
	}
	name, err := s.text(list[0], "Fn::If")
	if err != nil {
		return nil, err
	}
	yes, err := s.Condition(n, name)
	if err != nil {
		return nil, err
	}
	if yes {
		return s.Eval(list[1])
	}
	return s.Eval(list[2])
}

// Condition evaluates a condition of the template by its name; n is where the
// name is used.
func (s *Scope) Condition(n *doc.Node, name string) (bool, error) {
	conditions, err := s.resolve(s.Conditions)
	if err != nil {
		return false, err
	}
	body := conditions.Map().Get(name)
	if body == nil {
		return false, problem(n, "there is no condition %s%s", name, doc.DidYouMean(name, conditions.Map().Names()))
	}
	for _, open := range s.deciding {
		if open == name {
			return false, problem(n, "the condition %s depends on itself: %s", name, strings.Join(append(s.deciding, name), " -> "))
		}
	}
	s.deciding = append(s.deciding, name)
	defer func() { s.deciding = s.deciding[:len(s.deciding)-1] }()
	return s.decide(body)
}

// decide evaluates a condition function.
func (s *Scope) decide(n *doc.Node) (bool, error) {
	n, err := s.resolve(n)
	if err != nil {
		return false, err
	}
	name, ok := IsCall(n)
	if !ok {
		return false, problem(n, "a condition must be one of Fn::Equals, Fn::And, Fn::Or, Fn::Not and Condition, not %s", n.What())
	}
	arg := n.Map().Get(name)
	switch name {
	case "Condition":
		id, err := s.text(arg, "Condition")
		if err != nil {
			return false, err
		}
		return s.Condition(n, id)
	case "Fn::Equals":
		list, err := s.args(n, name, arg, 2, 2)
		if err != nil {
			return false, err
		}
		a, err := s.text(list[0], name)
		if err != nil {
			return false, err
		}
		b, err := s.text(list[1], name)
		return a == b, err
	case "Fn::Not":
		list, err := s.args(n, name, arg, 1, 1)
		if err != nil {
			return false, err
		}
		yes, err := s.decide(list[0])
		return !yes, err
	case "Fn::And", "Fn::Or":
		list, err := s.args(n, name, arg, 2, 10)
		if err != nil {
			return false, err
		}
		for _, item := range list {
			yes, err := s.decide(item)
			if err != nil || yes == (name == "Fn::Or") {
				return yes, err
			}
		}
		return name == "Fn::And", nil
	}
	return false, problem(n, "%s is no condition function: use Fn::Equals, Fn::And, Fn::Or, Fn::Not or Condition", name)
}

func (s *Scope) findInMap(n, arg *doc.Node) (*doc.Node, error) {
	list, err := s.args(n, "Fn::FindInMap", arg, 3, 3)
	if err != nil {
		return nil, err
	}
	at := s.Mappings
	for _, item := range list {
		key, err := s.text(item, "Fn::FindInMap")
		if err != nil {
			return nil, err
		}
		if at, err = s.resolve(at); err != nil {
			return nil, err
		}
		next := at.Map().Get(key)
		if next == nil {
			return nil, problem(n, "Fn::FindInMap: there is no %s in Mappings%s", key, doc.DidYouMean(key, at.Map().Names()))
		}
		at = next
	}
	return s.Eval(at)
}

func (s *Scope) base64(arg *doc.Node) (string, error) {
	text, err := s.text(arg, "Fn::Base64")
	return base64.StdEncoding.EncodeToString([]byte(text)), err
}

func (s *Scope) importValue(n, arg *doc.Node) (string, error) {
	name, err := s.text(arg, "Fn::ImportValue")
	if err != nil {
		return "", err
	}
	if s.Import != nil {
		if value, ok := s.Import(name); ok {
			return value, nil
		}
	}
	return "", problem(n, "Fn::ImportValue takes what another stack exports as %s, and Pinfold has no other stacks: give the value with --param 'import:%s=VALUE'", name, name)
}
