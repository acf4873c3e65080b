package function

import (
	"context"
	"encoding/json"
	"regexp"
	"slices"
	"strings"

	"pinfold.dev/pinfold"
	"pinfold.dev/pinfold/internal/store"
)

// maxPolicy is the most bytes that a resource policy may have. Source: "Lambda
// quotas", 20 KB.
const maxPolicy = 20480

// Permission is one statement to add to a function's resource policy.
type Permission struct {
	StatementID      string
	Action           string // lambda:InvokeFunction, lambda:*, ...
	Principal        string // a service, an account, an IAM ARN or *
	SourceARN        string
	SourceAccount    string
	OrganizationID   string
	EventSourceToken string
	URLAuthType      string // NONE or AWS_IAM
	ViaURL           *bool
	RevisionID       string // what the policy must have, if not ""
}

// policy is a resource policy as AWS writes it.
type policy struct {
	Version   string
	ID        string `json:"Id"`
	Statement []statement
}

// statement's fields are in the order in which AWS writes them.
type statement struct {
	Sid       string
	Effect    string
	Principal any
	Action    string
	Resource  string
	Condition map[string]map[string]string `json:",omitempty"`
}

var (
	statementPattern = regexp.MustCompile(`^([a-zA-Z0-9-_]+)$`)
	actionPattern    = regexp.MustCompile(`^(lambda:[*]|lambda:[a-zA-Z]+|[*])$`)
	accountPattern   = regexp.MustCompile(`^\d{12}$`)
	iamPattern       = regexp.MustCompile(`^arn:(aws[a-zA-Z-]*):(iam|sts):`)
)

// statement builds what AddPermission stores. Source: the recorded policies in
// localstack/localstack's snapshot tests.
func (p Permission) statement(resource string) (statement, error) {
	s := statement{Sid: p.StatementID, Effect: "Allow", Action: p.Action, Resource: resource}
	switch {
	case p.Principal == "*":
		s.Principal = "*"
	case strings.HasSuffix(p.Principal, ".amazonaws.com"), strings.HasSuffix(p.Principal, ".amazonaws.com.cn"), strings.HasSuffix(p.Principal, ".amazon.com"):
		s.Principal = map[string]string{"Service": p.Principal}
	case accountPattern.MatchString(p.Principal):
		s.Principal = map[string]string{"AWS": "arn:aws:iam::" + p.Principal + ":root"}
	case iamPattern.MatchString(p.Principal):
		s.Principal = map[string]string{"AWS": p.Principal}
	default:
		return s, invalid("The provided principal was invalid. Please check the principal and try again.")
	}
	condition := func(operator, key, value string) {
		if value == "" {
			return
		}
		if s.Condition == nil {
			s.Condition = map[string]map[string]string{}
		}
		if s.Condition[operator] == nil {
			s.Condition[operator] = map[string]string{}
		}
		s.Condition[operator][key] = value
	}
	condition("StringEquals", "lambda:FunctionUrlAuthType", p.URLAuthType)
	condition("StringEquals", "aws:PrincipalOrgID", p.OrganizationID)
	condition("StringEquals", "AWS:SourceAccount", p.SourceAccount)
	condition("StringEquals", "lambda:EventSourceToken", p.EventSourceToken)
	condition("ArnLike", "AWS:SourceArn", p.SourceARN)
	if p.ViaURL != nil {
		condition("Bool", "lambda:InvokedViaFunctionUrl", map[bool]string{true: "true", false: "false"}[*p.ViaURL])
	}
	return s, nil
}

// AddPermission adds a statement to the policy of a function, version or alias
// and returns it as JSON.
func (r *Registry) AddPermission(ctx context.Context, ref pinfold.FunctionRef, p Permission) (string, error) {
	if err := r.mine(ref); err != nil {
		return "", err
	}
	if ref.Qualifier == pinfold.LatestVersion {
		return "", invalid("We currently do not support adding policies for $LATEST.")
	}
	for _, err := range []error{
		checkPattern(p.StatementID, "statementId", statementPattern), checkLength(p.StatementID, "statementId", 100),
		checkPattern(p.Action, "action", actionPattern), checkEnum(p.URLAuthType, "functionUrlAuthType", "NONE", "AWS_IAM"),
	} {
		if err != nil {
			return "", err
		}
	}
	s, err := p.statement(ref.ARN())
	if err != nil {
		return "", err
	}
	err = r.changePolicy(ctx, ref, p.RevisionID, func(doc *policy) error { return doc.add(s) })
	if err != nil {
		return "", err
	}
	return compact(s), nil
}

// RemovePermission removes a statement; the policy goes with its last one.
// revision, if not "", is what the policy must have.
func (r *Registry) RemovePermission(ctx context.Context, ref pinfold.FunctionRef, statementID, revision string) error {
	if err := r.mine(ref); err != nil {
		return err
	}
	return r.changePolicy(ctx, ref, revision, func(doc *policy) error { return doc.remove(statementID) })
}

// Policy returns the resource policy of a function, version or alias.
func (r *Registry) Policy(ctx context.Context, ref pinfold.FunctionRef) (*store.Policy, error) {
	if err := r.mine(ref); err != nil {
		return nil, err
	}
	var found store.Policy
	err := r.o.Store.View(ctx, func(tx store.Tx) error {
		if _, err := owner(tx, ref); err != nil {
			return err
		}
		var err error
		found, err = tx.Policies().Get(policyKey(ref.Account, ref.Region, ref.ARN()))
		return orMissing(err, noSuchResource())
	})
	if err != nil {
		return nil, err
	}
	return &found, nil
}

// owner makes sure that what a policy is for is there, and returns its revision.
func owner(tx store.Tx, ref pinfold.FunctionRef) (revision string, err error) {
	if _, err := tx.Functions().Get(functionKey(ref)); err != nil {
		return "", orMissing(err, functionNotFound(ref))
	}
	if isAlias(ref.Qualifier) {
		alias, err := getAlias(tx, ref)
		if err != nil {
			return "", err
		}
		return alias.RevisionID, nil
	}
	version := ref.Qualifier
	fill(&version, pinfold.LatestVersion)
	v, err := tx.Versions().Get(versionKey(ref, version))
	return v.RevisionID, orMissing(err, functionNotFound(ref))
}

// changePolicy changes the policy document of a function, version or alias. A
// precondition may name the policy's own revision (GetPolicy) or that of its
// owner (GetFunction, GetAlias): on AWS they are one.
func (r *Registry) changePolicy(ctx context.Context, ref pinfold.FunctionRef, revision string, change func(*policy) error) error {
	return r.update(ctx, ref, func(tx store.Tx) error {
		ownerRevision, err := owner(tx, ref)
		if err != nil {
			return err
		}
		if revision == ownerRevision {
			revision = ""
		}
		return editPolicy(tx, policyKey(ref.Account, ref.Region, ref.ARN()), revision, change)
	})
}

// editPolicy changes the policy document at a key.
func editPolicy(tx store.Tx, key store.Key, revision string, change func(*policy) error) error {
	doc := policy{Version: "2012-10-17", ID: "default"}
	old, err := tx.Policies().Get(key)
	if err != nil && pinfold.CodeOf(err) != pinfold.NotFound {
		return err
	}
	if err == nil {
		if err := json.Unmarshal([]byte(old.Document), &doc); err != nil {
			return pinfold.Errorf(pinfold.Internal, "the policy of %s cannot be read: %w", key[2], err)
		}
	}
	if err := change(&doc); err != nil {
		return err
	}
	if err := revised(revision, old.RevisionID); err != nil {
		return err
	}
	if len(doc.Statement) == 0 {
		return tx.Policies().Delete(key)
	}
	text := compact(doc)
	if len(text) > maxPolicy {
		return pinfold.Errorf(pinfold.Invalid, "The final policy size (%d) is bigger than the limit (%d).", len(text), maxPolicy).WithReason(policyLength)
	}
	return tx.Policies().Put(key, store.Policy{Document: text, RevisionID: newRevision()})
}

func (d *policy) index(sid string) int {
	return slices.IndexFunc(d.Statement, func(s statement) bool { return s.Sid == sid })
}

// compact writes a policy or statement as JSON; its maps and strings always encode.
func compact(v any) string {
	var b strings.Builder
	enc := json.NewEncoder(&b)
	enc.SetEscapeHTML(false)
	enc.Encode(v)
	return strings.TrimSuffix(b.String(), "\n")
}

func noPolicy() error { return notFound("No policy is associated with the given resource.") }

// add appends a statement whose id must be new.
func (d *policy) add(s statement) error {
	if d.index(s.Sid) >= 0 {
		return conflict("The statement id (%s) provided already exists. Please provide a new statement id, or remove the existing statement.", s.Sid)
	}
	d.Statement = append(d.Statement, s)
	return nil
}

// remove takes a statement out.
func (d *policy) remove(sid string) error {
	if len(d.Statement) == 0 {
		return noPolicy()
	}
	i := d.index(sid)
	if i < 0 {
		return notFound("Statement %s is not found in resource policy.", sid)
	}
	d.Statement = slices.Delete(d.Statement, i, i+1)
	return nil
}
