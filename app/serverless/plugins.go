package serverless

import (
	"slices"
	"strings"
)

const builds = "build the code before you deploy (for instance `npx esbuild src/handler.ts --bundle --platform=node --outfile=dist/handler.js`) and let handler name the output, or package.artifact a zip of it"

// plugins are known plugins and why it usually does not matter that they do
// not run.
var plugins = map[string]string{
	"serverless-offline":                             "`pinfold dev` serves the application on this machine",
	"serverless-offline-lambda":                      "`pinfold dev` serves functions to AWS tools as well",
	"serverless-offline-scheduler":                   "`pinfold dev` serves the application on this machine",
	"serverless-dynamodb-local":                      "it starts a database for local work; point the application at one of your own",
	"serverless-dynamodb":                            "it starts a database for local work; point the application at one of your own",
	"serverless-s3-local":                            "it is a stand-in for local work",
	"serverless-localstack":                          "Pinfold is itself where the application runs",
	"serverless-esbuild":                             "Pinfold deploys what is there, so " + builds,
	"serverless-webpack":                             "Pinfold deploys what is there, so " + builds,
	"serverless-bundle":                              "Pinfold deploys what is there, so " + builds,
	"serverless-plugin-typescript":                   "Pinfold deploys what is there, so " + builds,
	"serverless-typescript":                          "Pinfold deploys what is there, so " + builds,
	"serverless-rspack":                              "Pinfold deploys what is there, so " + builds,
	"serverless-python-requirements":                 "install what the code needs beside it: `pip install -r requirements.txt -t .`",
	"serverless-wsgi":                                "it puts a handler of its own into the package; run `npx serverless package` and name the zip that this makes in package.artifact",
	"serverless-rust":                                "build the program first and name a zip with a file `bootstrap` in package.artifact",
	"serverless-go-plugin":                           "build the program first: `GOOS=linux CGO_ENABLED=0 go build -o bootstrap`",
	"serverless-domain-manager":                      "domain names are set up in front of Pinfold, at your DNS and proxy",
	"serverless-prune-plugin":                        "old versions cost next to nothing here",
	"serverless-dotenv-plugin":                       "write `useDotenv: true` in its place to read .env files; to pass a value on to functions name it under environment",
	"serverless-plugin-warmup":                       "instances are started when they are needed",
	"serverless-iam-roles-per-function":              "statements of a function are kept with it",
	"serverless-plugin-split-stacks":                 "there are no stacks to split",
	"serverless-plugin-aws-alerts":                   "alarms are not served yet",
	"serverless-plugin-tracing":                      "traces are sent on as the server is configured",
	"serverless-plugin-canary-deployments":           "a deployment replaces the last one at once",
	"serverless-plugin-log-retention":                "Pinfold keeps as much of a log as its setting logMB says",
	"serverless-plugin-resource-tagging":             "tags of functions are kept",
	"serverless-plugin-scripts":                      "run the scripts before you deploy",
	"serverless-scriptable-plugin":                   "run the scripts before you deploy",
	"serverless-export-env":                          "it changes nothing that runs",
	"serverless-stack-output":                        "it changes nothing that runs; `pinfold ls --json` lists the outputs",
	"serverless-pseudo-parameters":                   "#{AWS::Region} and its like are not replaced, write Fn::Sub with ${AWS::Region}",
	"serverless-apigw-binary":                        "write provider.apiGateway.binaryMediaTypes in its place",
	"serverless-apigateway-service-proxy":            "its routes lead to AWS services and are not served",
	"serverless-plugin-lambda-dead-letter":           "write onError in its place",
	"serverless-plugin-common-excludes":              "package.patterns can leave files out",
	"serverless-plugin-include-dependencies":         "what package.patterns says is packed, node_modules without development dependencies",
	"serverless-layers":                              "node_modules are packed with the code",
	"serverless-step-functions":                      "state machines are not served yet",
	"serverless-appsync-plugin":                      "AppSync is not served yet",
	"serverless-lift":                                "its constructs are not served yet",
	"serverless-plugin-datadog":                      "nothing is sent to Datadog",
	"serverless-deployment-bucket":                   "there is no bucket to deploy through",
	"serverless-latest-layer-version":                "name a version of the layer",
	"serverless-better-credentials":                  "Pinfold has its own credentials, see `pinfold env`",
	"serverless-cloudformation-sub-variables":        "write Fn::Sub in its place",
	"serverless-apigateway-plugin":                   "its settings of API Gateway have no effect",
	"serverless-aws-documentation":                   "it changes nothing that runs",
	"serverless-openapi-documentation":               "it changes nothing that runs",
	"serverless-finch":                               "it uploads a web site, which Pinfold does not serve",
	"serverless-s3-sync":                             "it uploads files to S3, which is not served yet",
	"serverless-associate-waf":                       "put a firewall in front of Pinfold if you need one",
	"serverless-plugin-monorepo":                     "packages of a monorepo are packed if links in node_modules stay in the folder",
	"serverless-jetpack":                             "packages are built fast anyway, and only what changed",
	"serverless-plugin-optimize":                     "Pinfold deploys what is there, so " + builds,
	"serverless-plugin-lambda-insights":              "there is no CloudWatch to send to",
	"serverless-plugin-custom-roles":                 "statements of a function are kept with it",
	"@serverless/dashboard-plugin":                   "nothing is sent to the Serverless Dashboard",
	"serverless-plugin-composed-vars":                "variables are resolved as Serverless Framework does by itself",
	"serverless-plugin-select":                       "all functions are deployed in every stage",
	"serverless-plugin-ifelse":                       "its conditions are not evaluated: all that is in the file counts",
	"serverless-plugin-conditional-functions":        "its conditions are not evaluated: all functions are deployed",
	"serverless-functions-base-path":                 "let handler name the whole path",
	"serverless-function-outputs":                    "it changes nothing that runs",
	"serverless-plugin-git-variables":                "${git:...} is not served, write ${param:...} or ${env:...}",
	"serverless-secrets":                             "write ${param:...} or ${env:...} for secrets",
	"serverless-certificate-creator":                 "certificates are set up in front of Pinfold",
	"serverless-add-api-key":                         "write provider.apiGateway.apiKeys in its place",
	"serverless-plugin-existing-s3":                  "S3 events are not served yet",
	"serverless-provisioned-concurrency-autoscaling": "write times and numbers in custom.pinfold.provisioned; what is provisioned does not follow load",
}

func pluginReason(name string) string {
	if why, ok := plugins[name]; ok {
		return why
	}
	if strings.HasPrefix(name, "./") || strings.HasPrefix(name, "../") {
		return "it is a program of your own, which Pinfold does not run; what it adds to the file is missing"
	}
	return "Pinfold runs no plugins; what it would add to the file is missing, what is written in the file counts"
}

// makers are modules that plugins put into packages. Sources: READMEs of
// serverless-wsgi: of late, and from its first years (wsgi.handler).
var makers = map[string]string{"wsgi_handler": "serverless-wsgi", "wsgi": "serverless-wsgi"}

// makerOf returns the plugin of the application that makes a module, or "".
func (r *reader) makerOf(module string) string {
	if plugin := makers[module]; slices.Contains(r.plugins, plugin) {
		return plugin
	}
	return ""
}

// buildPlugin returns a plugin of the application that builds its code, or "".
func (r *reader) buildPlugin() string {
	for _, name := range r.plugins {
		if strings.Contains(plugins[name], builds) {
			return name
		}
	}
	if r.root.m.Get("build") != nil {
		return "build"
	}
	return ""
}
