package serverless

import (
	"strings"

	"pinfold.dev/pinfold"
)

// logicalID returns the part of a logical ID that stands for a function, a
// layer or an authorizer: "my-fn_1" is "MyDashfnUnderscore1". Source:
// getNormalizedResourceName in lib/plugins/aws/lib/naming.js.
func logicalID(key string) string {
	key = strings.NewReplacer("-", "Dash", "_", "Underscore").Replace(key)
	if key == "" {
		return ""
	}
	return strings.ToUpper(key[:1]) + key[1:]
}

// ref returns the reference of a function of this application.
func (r *reader) ref(name string) pinfold.FunctionRef {
	return pinfold.FunctionRef{Account: r.opts.Target.Account, Region: r.opts.Target.Region, Name: name}
}

func (r *reader) apiID(kind pinfold.APIKind) string {
	return pinfold.APIID(r.opts.Target.Account, r.opts.Target.Region, r.app.Name, r.app.Stage, kind)
}

// restStage is the stage name of the REST API.
func (r *reader) restStage() string {
	if stage := r.provider().sub("apiGateway").text("stage"); stage != "" {
		return stage
	}
	return r.app.Stage
}

// madeNames returns what Ref ("Id") and Fn::GetAtt ("Id.Attribute") give for
// everything that Serverless Framework itself puts into the stack.
func (r *reader) madeNames() map[string]string {
	t := r.opts.Target
	http, rest := r.apiID(pinfold.HTTPAPI), r.apiID(pinfold.RESTAPI)
	role := r.app.Name + "-" + r.app.Stage + "-" + t.Region + "-lambdaRole"
	made := map[string]string{
		"HttpApi": http, "HttpApi.ApiId": http, "HttpApi.ApiEndpoint": apiOrigin(http, t.Region), "HttpApiStage": "$default",
		"ApiGatewayRestApi": rest, "ApiGatewayRestApi.RestApiId": rest, "ApiGatewayRestApi.RootResourceId": rest, "ApiGatewayStage": r.restStage(),
		"WebsocketsApi":          pinfold.APIID(t.Account, t.Region, r.app.Name, r.app.Stage, "websocket"),
		"IamRoleLambdaExecution": role, "IamRoleLambdaExecution.Arn": "arn:aws:iam::" + t.Account + ":role/" + role,
		"ServerlessDeploymentBucket":     strings.ToLower(r.stackName() + "-serverlessdeploymentbucket"),
		"ServerlessDeploymentBucket.Arn": "arn:aws:s3:::" + strings.ToLower(r.stackName()+"-serverlessdeploymentbucket"),
	}
	for _, f := range r.functions {
		id, ref := logicalID(f.key)+"LambdaFunction", r.ref(f.name)
		made[id], made[id+".Arn"] = f.name, ref.ARN()
		invoked := r.invoked(f)
		made[id+"Url"], made[id+"Url.FunctionArn"] = invoked.ARN(), invoked.ARN()
		made[id+"Url.FunctionUrl"] = t.Endpoints.FunctionURLByPath(pinfold.URLID(invoked))
		group := "/aws/lambda/" + f.name
		made[logicalID(f.key)+"LogGroup"], made[logicalID(f.key)+"LogGroup.Arn"] = group, r.scopeARN("logs")+"log-group:"+group+":*"
	}
	for _, l := range r.layers {
		// A layer's ARN ends with a version, which the deployer alone knows.
		made[logicalID(l.key)+"LambdaLayer"] = layerRef(l.key)
	}
	return made
}

const layerPrefix = "layer:"

// layerRef is how the model names a layer of the same application.
func layerRef(key string) string { return layerPrefix + key }

// apiOrigin is where AWS serves an API.
func apiOrigin(id, region string) string {
	return "https://" + id + ".execute-api." + region + ".amazonaws.com"
}

// ownURLs replaces AWS's URLs of the application's own APIs by Pinfold's:
// manifests put them together from an API's ID, the region and amazonaws.com.
// They are for programs, so they are in the form that needs no host name.
func (r *reader) ownURLs(text string) string {
	for _, kind := range []pinfold.APIKind{pinfold.HTTPAPI, pinfold.RESTAPI} {
		id := r.apiID(kind)
		text = strings.ReplaceAll(text, apiOrigin(id, r.opts.Target.Region), r.opts.Target.Endpoints.APIByPath(id))
	}
	return text
}
