// A function with real dependencies: AWS SDK v3 clients and a web framework,
// all of them loaded before the first request, as an ordinary bundle does it.
const express = require("express");
const serverless = require("serverless-http");
const clients = [
  new (require("@aws-sdk/client-dynamodb").DynamoDBClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-s3").S3Client)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-sqs").SQSClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-sns").SNSClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-lambda").LambdaClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-ssm").SSMClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-eventbridge").EventBridgeClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-cognito-identity-provider").CognitoIdentityProviderClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-sesv2").SESv2Client)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-sfn").SFNClient)({ region: "us-east-1" }),
  new (require("@aws-sdk/client-cloudwatch").CloudWatchClient)({ region: "us-east-1" }),
];
require("@aws-sdk/lib-dynamodb").DynamoDBDocumentClient.from(clients[0]);

const app = express();
app.get("/*path", (req, res) => res.json({ message: `Hello, ${req.query.name ?? "world"}!` }));
exports.handler = serverless(app);
