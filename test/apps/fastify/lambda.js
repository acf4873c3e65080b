"use strict";

const awsLambdaFastify = require("@fastify/aws-lambda");
const app = require("./app")();

exports.handler = awsLambdaFastify(app, { binaryMimeTypes: ["application/octet-stream"] });

// The first invocation need not wait for the plugins to load.
app.ready();
