package cfn

import (
	"cmp"
	"crypto/sha256"
	"encoding/base32"
	"encoding/hex"
	"fmt"
	"slices"
	"strings"

	"pinfold.dev/pinfold/app/doc"
)

// kind is how resources of one type are called. Every property and return
// value is the one in the CloudFormation resource reference of that type.
type kind struct {
	name string // the property that holds the name
	ref  string // what Ref gives: a form, see Scope.fill
	atts map[string]string
}

var kinds = map[string]kind{
	"AWS::DynamoDB::Table": {"TableName", "{name}", map[string]string{
		"Arn": "{arn:dynamodb}:table/{name}", "StreamArn": "{arn:dynamodb}:table/{name}/stream/2000-01-01T00:00:00.000"}},
	"AWS::DynamoDB::GlobalTable": {"TableName", "{name}", map[string]string{
		"Arn": "{arn:dynamodb}:table/{name}", "StreamArn": "{arn:dynamodb}:table/{name}/stream/2000-01-01T00:00:00.000", "TableId": "{uuid}"}},
	"AWS::S3::Bucket": {"BucketName", "{name}", map[string]string{
		"Arn": "arn:aws:s3:::{name}", "DomainName": "{name}.s3.amazonaws.com", "RegionalDomainName": "{name}.s3.{region}.amazonaws.com",
		"DualStackDomainName": "{name}.s3.dualstack.{region}.amazonaws.com", "WebsiteURL": "http://{name}.s3-website-{region}.amazonaws.com"}},
	"AWS::SQS::Queue": {"QueueName", "{api}/{account}/{name}", map[string]string{
		"Arn": "{arn:sqs}:{name}", "QueueName": "{name}", "QueueUrl": "{api}/{account}/{name}"}},
	"AWS::SNS::Topic": {"TopicName", "{arn:sns}:{name}", map[string]string{
		"TopicArn": "{arn:sns}:{name}", "TopicName": "{name}"}},
	"AWS::Kinesis::Stream": {"Name", "{name}", map[string]string{"Arn": "{arn:kinesis}:stream/{name}"}},
	"AWS::KinesisFirehose::DeliveryStream": {"DeliveryStreamName", "{name}", map[string]string{
		"Arn": "{arn:firehose}:deliverystream/{name}"}},
	"AWS::Events::EventBus": {"Name", "{name}", map[string]string{"Arn": "{arn:events}:event-bus/{name}", "Name": "{name}"}},
	"AWS::Events::Rule":     {"Name", "{name}", map[string]string{"Arn": "{arn:events}:rule/{name}"}},
	"AWS::Scheduler::Schedule": {"Name", "{name}", map[string]string{
		"Arn": "{arn:scheduler}:schedule/{group}/{name}"}},
	"AWS::Scheduler::ScheduleGroup": {"Name", "{name}", map[string]string{
		"Arn": "{arn:scheduler}:schedule-group/{name}", "State": "ACTIVE"}},
	"AWS::SQS::QueuePolicy": {"", "{name}", map[string]string{"Id": "{name}"}},
	"AWS::Lambda::EventSourceMapping": {"", "{mapping}", map[string]string{
		"Id": "{mapping}", "EventSourceMappingArn": "{arn:lambda}:event-source-mapping:{mapping}"}},
	"AWS::Lambda::EventInvokeConfig": {"", "{name}", nil},
	"AWS::StepFunctions::StateMachine": {"StateMachineName", "{arn:states}:stateMachine:{name}", map[string]string{
		"Arn": "{arn:states}:stateMachine:{name}", "Name": "{name}"}},
	"AWS::SecretsManager::Secret": {"Name", "{arn:secretsmanager}:secret:{name}-{id6}", map[string]string{
		"Id": "{arn:secretsmanager}:secret:{name}-{id6}"}},
	"AWS::SSM::Parameter": {"Name", "{name}", map[string]string{"Type": "{prop:Type}", "Value": "{prop:Value}"}},
	"AWS::Logs::LogGroup": {"LogGroupName", "{name}", map[string]string{"Arn": "{arn:logs}:log-group:{name}:*"}},
	"AWS::IAM::Role":      {"RoleName", "{name}", map[string]string{"Arn": "{iam}:role/{name}", "RoleId": "AROA{ID16}"}},
	"AWS::IAM::User":      {"UserName", "{name}", map[string]string{"Arn": "{iam}:user/{name}"}},
	"AWS::IAM::ManagedPolicy": {"ManagedPolicyName", "{iam}:policy/{name}", map[string]string{
		"PolicyArn": "{iam}:policy/{name}"}},
	"AWS::Cognito::UserPool": {"", "{region}_{ID9}", map[string]string{
		"Arn": "{arn:cognito-idp}:userpool/{region}_{ID9}", "UserPoolId": "{region}_{ID9}", "ProviderName": "cognito-idp.{region}.amazonaws.com/{region}_{ID9}",
		"ProviderURL": "https://cognito-idp.{region}.amazonaws.com/{region}_{ID9}"}},
	"AWS::Cognito::UserPoolClient": {"", "{id26}", map[string]string{"ClientId": "{id26}"}},
	"AWS::Cognito::IdentityPool":   {"", "{region}:{uuid}", nil},
	"AWS::KMS::Key":                {"", "{uuid}", map[string]string{"Arn": "{arn:kms}:key/{uuid}", "KeyId": "{uuid}"}},
	"AWS::KMS::Alias":              {"AliasName", "{name}", nil},
	"AWS::Lambda::Function":        {"FunctionName", "{name}", map[string]string{"Arn": "{arn:lambda}:function:{name}"}},
	"AWS::ApiGateway::RestApi":     {"", "{id10}", map[string]string{"RestApiId": "{id10}", "RootResourceId": "{id10}"}},
	"AWS::ApiGatewayV2::Api":       {"", "{id10}", map[string]string{"ApiId": "{id10}", "ApiEndpoint": "https://{id10}.execute-api.{region}.amazonaws.com"}},
	"AWS::AppSync::GraphQLApi":     {"", "{arn:appsync}:apis/{id26}", map[string]string{"ApiId": "{id26}", "Arn": "{arn:appsync}:apis/{id26}"}},
	"AWS::CloudFront::Distribution": {"", "E{ID13}", map[string]string{
		"Id": "E{ID13}", "DomainName": "{id14}.cloudfront.net"}},
}

// limits are the longest names, in characters, of what is served. Source: the API
// references of the services.
var limits = map[string]int{
	"AWS::SQS::Queue": 80, "AWS::Events::Rule": 64, "AWS::Scheduler::Schedule": 64, "AWS::Scheduler::ScheduleGroup": 64,
}

// Name returns what a resource is called: by its own name property or, like
// CloudFormation, by the stack's name, the logical ID and an unlikely end.
func (s *Scope) Name(r Resource) (string, error) {
	if slices.Contains(s.naming, r.ID) {
		return "", problem(doc.New(r.At, nil), "the name of %s depends on itself: %s", r.ID, strings.Join(append(s.naming, r.ID), " -> "))
	}
	s.naming = append(s.naming, r.ID)
	defer func() { s.naming = s.naming[:len(s.naming)-1] }()

	properties, err := s.resolve(r.Properties)
	if err != nil {
		return "", err
	}
	service, last := typeParts(r.Type)
	candidates := []string{kinds[r.Type].name}
	if _, known := kinds[r.Type]; !known {
		candidates = []string{last + "Name", "Name"}
	}
	for _, property := range candidates {
		if n := properties.Map().Get(property); n != nil {
			return s.text(n, property)
		}
	}
	name, end := s.Stack+"-"+r.ID, "-"+short(s.seed(r.ID), 12)
	if service == "s3" {
		name, end = strings.ToLower(name), strings.ToLower(end)
	}
	if n := properties.Map().Get("FifoQueue"); n != nil && r.Type == "AWS::SQS::Queue" {
		if text, err := s.text(n, "FifoQueue"); err == nil && text == "true" {
			end += fifoSuffix
		}
	}
	if limit := limits[r.Type]; limit > 0 && len(name)+len(end) > limit {
		name = name[:limit-len(end)]
	}
	return name + end, nil
}

// attribute returns what Ref ("") or Fn::GetAtt gives for a resource.
func (s *Scope) attribute(n *doc.Node, r Resource, attribute string) (string, error) {
	service, last := typeParts(r.Type)
	k, known := kinds[r.Type]
	form, ok := k.ref, known
	if attribute != "" {
		form, ok = k.atts[attribute]
	}
	switch {
	case ok:
	case attribute == "":
		form = "{name}"
	case attribute == "Arn":
		form = "{arn:" + service + "}:" + strings.ToLower(last) + "/{name}"
	case IsEvent(r.Type):
		return "", problem(n, "%s has no attribute %s that is known before it is deployed", r.ID, attribute)
	default:
		// Nobody can know an endpoint of a thing that is not there. The value
		// says so where it is used, rather than pretending.
		if s.Warn != nil {
			s.Warn(n.At, fmt.Sprintf("%s.%s is not known, because %s is not served: the value is \"unserved:%s.%s\"", r.ID, attribute, r.Type, r.ID, attribute))
		}
		return "unserved:" + r.ID + "." + attribute, nil
	}
	return s.fill(r, form)
}

// fill puts a resource's names into a form such as "{arn:sqs}:{name}".
func (s *Scope) fill(r Resource, form string) (string, error) {
	var b strings.Builder
	for {
		before, rest, found := strings.Cut(form, "{")
		b.WriteString(before)
		if !found {
			return b.String(), nil
		}
		word, after, _ := strings.Cut(rest, "}")
		form = after
		kind, arg, _ := strings.Cut(word, ":")
		switch {
		case kind == "name":
			name, err := s.Name(r)
			if err != nil {
				return "", err
			}
			b.WriteString(name)
		case kind == "prop":
			value, err := s.property(r, arg)
			if err != nil {
				return "", err
			}
			b.WriteString(value)
		case kind == "group":
			group, err := s.property(r, "GroupName")
			if err != nil {
				return "", err
			}
			b.WriteString(cmp.Or(group, "default"))
		case kind == "mapping":
			id, err := s.mappingID(r)
			if err != nil {
				return "", err
			}
			b.WriteString(id)
		case kind == "arn":
			b.WriteString("arn:aws:" + arg + ":" + s.Target.Region + ":" + s.Target.Account)
		case kind == "iam":
			b.WriteString("arn:aws:iam::" + s.Target.Account)
		case kind == "region":
			b.WriteString(s.Target.Region)
		case kind == "account":
			b.WriteString(s.Target.Account)
		case kind == "api":
			b.WriteString(s.Target.Endpoints.API)
		case kind == "uuid":
			b.WriteString(uuid(s.seed(r.ID)))
		default:
			var length int
			_, _ = fmt.Sscanf(strings.TrimLeft(word, "IDid"), "%d", &length)
			id := short(s.seed(r.ID), length)
			if strings.HasPrefix(word, "id") {
				id = strings.ToLower(id)
			}
			b.WriteString(id)
		}
	}
}

// property returns a property that is a text, or "".
func (s *Scope) property(r Resource, name string) (string, error) {
	properties, err := s.resolve(r.Properties)
	if err != nil {
		return "", err
	}
	if n := properties.Map().Get(name); n != nil {
		return s.text(n, name)
	}
	return "", nil
}

// mappingID returns the UUID of an event source mapping. One with another source is
// another mapping: CloudFormation replaces it.
func (s *Scope) mappingID(r Resource) (string, error) {
	source, err := s.property(r, "EventSourceArn")
	return uuid(s.seed(r.ID + "\x00" + source)), err
}

// typeParts splits "AWS::DynamoDB::Table" into "dynamodb" and "Table".
func typeParts(t string) (service, last string) {
	parts := strings.Split(t, "::")
	if len(parts) < 2 {
		return "custom", t
	}
	return strings.ToLower(parts[len(parts)-2]), parts[len(parts)-1]
}

// seed is what the made-up part of a resource's names follows from.
func (s *Scope) seed(id string) [32]byte {
	return sha256.Sum256([]byte(strings.Join([]string{s.Target.Account, s.Target.Region, s.Stack, id}, "\x00")))
}

func short(seed [32]byte, length int) string {
	return base32.StdEncoding.EncodeToString(seed[:])[:length]
}

func uuid(seed [32]byte) string {
	h := hex.EncodeToString(seed[:16])
	return h[:8] + "-" + h[8:12] + "-4" + h[13:16] + "-a" + h[17:20] + "-" + h[20:32]
}
