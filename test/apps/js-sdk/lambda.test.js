// AWS's SDK for JavaScript against a whole platform, which the environment
// names: see environ in test/clients/harness_test.go.
import assert from "node:assert/strict";
import { randomBytes, createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import http from "node:http";
import { describe, test } from "node:test";

import * as aws from "@aws-sdk/client-lambda";
import { DynamoDBClient, ListTablesCommand } from "@aws-sdk/client-dynamodb";
import { GetCallerIdentityCommand, GetSessionTokenCommand, STSClient } from "@aws-sdk/client-sts";
import { Sha256 } from "@aws-crypto/sha256-js";
import { SignatureV4 } from "@smithy/signature-v4";

const { PINFOLD_API: endpoint, PINFOLD_ACCOUNT: account, PINFOLD_ROLE: Role, AWS_REGION: region } = process.env;
const credentials = { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: process.env.AWS_SECRET_ACCESS_KEY };
const settings = { endpoint, region, credentials, maxAttempts: 1 };
const lambda = new aws.LambdaClient(settings);
const ZipFile = readFileSync(process.env.PINFOLD_PROBE);

const send = (name, input) => lambda.send(new aws[name + "Command"](input));
const json = (payload) => JSON.parse(Buffer.from(payload).toString() || "null");

// create makes a function of the probe, and deletes it when its test ends.
async function create(t, more = {}) {
  const FunctionName = "js-" + randomBytes(4).toString("hex");
  await send("CreateFunction", { FunctionName, Runtime: "nodejs20.x", Handler: "index.handler", Role, Timeout: 20, Code: { ZipFile }, ...more });
  t.after(() => send("DeleteFunction", { FunctionName }));
  return FunctionName;
}

async function invoke(FunctionName, payload = {}, more = {}) {
  const out = await send("Invoke", { FunctionName, Payload: JSON.stringify(payload), ...more });
  return { ...out, answer: json(out.Payload) };
}

// refused expects AWS's error as the SDK's own class, if it has one.
const refused = (promise, name, text) =>
  assert.rejects(promise, (err) => {
    assert.equal(err.name, name);
    if (aws[name]) assert.ok(err instanceof aws[name], `${err} is not a ${name}`);
    assert.ok(err.message.includes(text), `${err.message}\ndoes not say ${text}`);
    return true;
  });

// visit PUTs through the public door. A name below localhost needs no resolver.
async function visit(url, sign) {
  const { host, hostname, port } = new URL(url);
  const request = {
    method: "PUT", protocol: "http:", hostname, port: Number(port), path: "/a/b", query: { c: "d e", f: ["g", "h"] },
    headers: { host, "content-type": "text/plain" }, body: "given",
  };
  const signer = new SignatureV4({ service: "lambda", region, credentials, sha256: Sha256 });
  const { headers } = sign ? await signer.sign(request) : request;
  return new Promise((resolve, reject) => {
    const to = http.request({ host: "127.0.0.1", port, method: "PUT", path: "/a/b?c=d%20e&f=g&f=h", headers }, async (res) => {
      let body = "";
      for await (const chunk of res.setEncoding("utf8")) body += chunk;
      resolve({ status: res.statusCode, body });
    });
    to.on("error", reject).end("given");
  });
}

describe("@aws-sdk/client-lambda", { concurrency: 4 }, () => {
  test("a whole life", async () => {
    const FunctionName = "js-life";
    const made = await send("CreateFunction", {
      FunctionName, Runtime: "nodejs20.x", Handler: "index.handler", Role, Code: { ZipFile }, Timeout: 20, MemorySize: 256,
      Environment: { Variables: { MARKER: "one" } }, Tags: { a: "1" },
    });
    assert.equal(made.CodeSha256, createHash("sha256").update(ZipFile).digest("base64"));
    const patience = { client: lambda, maxWaitTime: 60 };
    for (const wait of [aws.waitUntilFunctionExists, aws.waitUntilFunctionActiveV2, aws.waitUntilFunctionUpdatedV2]) {
      assert.equal((await wait(patience, { FunctionName })).state, "SUCCESS");
    }
    const got = await send("GetFunction", { FunctionName });
    assert.deepEqual([got.Configuration.State, got.Configuration.MemorySize, got.Tags], ["Active", 256, { a: "1" }]);
    const code = await fetch(got.Code.Location);
    assert.deepEqual(Buffer.from(await code.arrayBuffer()), ZipFile);

    const out = await invoke(FunctionName, { n: [1, "ö"] }, { LogType: "Tail" });
    assert.deepEqual([out.StatusCode, out.ExecutedVersion, out.FunctionError], [200, "$LATEST", undefined]);
    assert.deepEqual([out.answer.event, out.answer.marker, out.answer.arn], [{ n: [1, "ö"] }, "one", made.FunctionArn]);
    assert.match(Buffer.from(out.LogResult, "base64").toString(), new RegExp(`START RequestId: ${out.answer.id} Version: \\$LATEST\n(.*\n)*REPORT RequestId: ${out.answer.id}\t`));

    const changed = await send("UpdateFunctionConfiguration", { FunctionName, RevisionId: made.RevisionId, Environment: { Variables: { MARKER: "two" } } });
    await refused(send("UpdateFunctionCode", { FunctionName, RevisionId: made.RevisionId, ZipFile }), "PreconditionFailedException", "The Revision Id provided does not match the latest Revision Id.");
    assert.equal((await invoke(FunctionName)).answer.marker, "two");
    assert.notEqual((await send("UpdateFunctionCode", { FunctionName, RevisionId: changed.RevisionId, ZipFile })).RevisionId, changed.RevisionId);
    assert.equal((await send("DeleteFunction", { FunctionName })).$metadata.httpStatusCode, 204);
    await refused(send("GetFunction", { FunctionName }), "ResourceNotFoundException", `Function not found: arn:aws:lambda:us-east-1:${account}:function:js-life`);
  });

  test("invocations", async (t) => {
    const FunctionName = await create(t);
    const failed = await invoke(FunctionName, { do: "throw" });
    assert.deepEqual([failed.StatusCode, failed.FunctionError, failed.answer.errorType, failed.answer.errorMessage], [200, "Unhandled", "TypeError", "thrown on purpose"]);
    const exited = await invoke(FunctionName, { do: "exit", code: 9 });
    assert.equal(exited.answer.errorType, "Runtime.ExitError");
    assert.match(exited.answer.errorMessage, /^RequestId: [0-9a-f-]{36} Error: Runtime exited with error: exit status 9$/);
    assert.equal((await send("Invoke", { FunctionName, InvocationType: "DryRun" })).StatusCode, 204);
    const context = Buffer.from(JSON.stringify({ custom: { k: "v" } })).toString("base64");
    assert.deepEqual((await invoke(FunctionName, {}, { ClientContext: context })).answer.client, { custom: { k: "v" } });
    assert.equal((await send("Invoke", { FunctionName, InvocationType: "Event" })).StatusCode, 202);
    await refused(send("Invoke", { FunctionName, Payload: "{no json" }), "InvalidRequestContentException", "Could not parse request body into json: ");
    await refused(send("Invoke", { FunctionName, Payload: `"${"x".repeat(6291455)}"` }), "RequestTooLargeException", "Request must be smaller than 6291456 bytes for the InvokeFunction operation");
    const large = await invoke(FunctionName, { do: "big", bytes: 7 << 20 });
    assert.equal(large.answer.errorType, "Function.ResponseSizeTooLarge");
  });

  test("response streams", async (t) => {
    const FunctionName = await create(t);
    const read = async (payload) => {
      const out = await send("InvokeWithResponseStream", { FunctionName, Payload: JSON.stringify(payload), LogType: "Tail" });
      assert.deepEqual([out.StatusCode, out.ExecutedVersion, out.ResponseStreamContentType], [200, "$LATEST", "application/vnd.amazon.eventstream"]);
      const chunks = [];
      for await (const event of out.EventStream) {
        if (event.InvokeComplete) return { answer: json(Buffer.concat(chunks)), end: event.InvokeComplete };
        chunks.push(event.PayloadChunk.Payload);
      }
      assert.fail("the stream has no end");
    };
    const { answer, end } = await read({ n: 1 });
    assert.deepEqual([answer.event, end.ErrorCode], [{ n: 1 }, undefined]);
    assert.match(Buffer.from(end.LogResult, "base64").toString(), new RegExp(`START RequestId: ${answer.id} `));
    const failed = (await read({ do: "throw" })).end;
    assert.deepEqual([failed.ErrorCode, JSON.parse(failed.ErrorDetails).errorMessage], ["TypeError", "thrown on purpose"]);
    await refused(send("InvokeWithResponseStream", { FunctionName: "nobody" }), "ResourceNotFoundException", "Function not found: ");
  });

  test("versions, aliases, pages", async (t) => {
    const FunctionName = await create(t, { Publish: true });
    await send("UpdateFunctionConfiguration", { FunctionName, Description: "second" });
    assert.equal((await send("PublishVersion", { FunctionName })).Version, "2");
    await send("CreateAlias", { FunctionName, Name: "live", FunctionVersion: "1", RoutingConfig: { AdditionalVersionWeights: { 2: 1 } } });
    assert.equal((await invoke(FunctionName, {}, { Qualifier: "live" })).ExecutedVersion, "2");
    await send("UpdateAlias", { FunctionName, Name: "live", RoutingConfig: { AdditionalVersionWeights: {} } });
    assert.equal((await invoke(`${FunctionName}:live`)).ExecutedVersion, "1");
    const versions = [];
    for await (const page of aws.paginateListVersionsByFunction({ client: lambda, pageSize: 2 }, { FunctionName })) {
      assert.ok(page.Versions.length <= 2);
      versions.push(...page.Versions.map((v) => v.Version));
    }
    assert.deepEqual(versions, ["$LATEST", "1", "2"]);
    const names = [];
    for await (const page of aws.paginateListFunctions({ client: lambda, pageSize: 1 }, {})) names.push(...page.Functions.map((f) => f.FunctionName));
    assert.equal(names.filter((name) => name === FunctionName).length, 1);
    await refused(send("GetAlias", { FunctionName, Name: "none" }), "ResourceNotFoundException", "Cannot find alias arn: ");
  });

  test("settings", async (t) => {
    const FunctionName = await create(t);
    const Resource = `arn:aws:lambda:us-east-1:${account}:function:${FunctionName}`;
    await send("TagResource", { Resource, Tags: { x: "y", "with space": "ö" } });
    await send("UntagResource", { Resource, TagKeys: ["x", "with/slash+and more"] });
    assert.deepEqual((await send("ListTags", { Resource })).Tags, { "with space": "ö" });
    await send("AddPermission", { FunctionName, StatementId: "s", Action: "lambda:InvokeFunction", Principal: "events.amazonaws.com" });
    assert.equal(JSON.parse((await send("GetPolicy", { FunctionName })).Policy).Statement[0].Principal.Service, "events.amazonaws.com");
    await refused(send("AddPermission", { FunctionName, StatementId: "s", Action: "lambda:InvokeFunction", Principal: "*" }), "ResourceConflictException", "The statement id (s) provided already exists.");
    await send("RemovePermission", { FunctionName, StatementId: "s" });
    await send("PutFunctionConcurrency", { FunctionName, ReservedConcurrentExecutions: 1 });
    assert.equal((await send("GetFunctionConcurrency", { FunctionName })).ReservedConcurrentExecutions, 1);
    await send("DeleteFunctionConcurrency", { FunctionName });
    assert.equal((await send("GetAccountSettings", {})).AccountLimit.ConcurrentExecutions, 1000);
    const layer = await send("PublishLayerVersion", { LayerName: "js-layer", Content: { ZipFile }, CompatibleRuntimes: ["nodejs20.x"] });
    assert.equal((await send("GetLayerVersionByArn", { Arn: layer.LayerVersionArn })).Version, layer.Version);
    assert.equal((await send("UpdateFunctionConfiguration", { FunctionName, Layers: [layer.LayerVersionArn] })).Layers[0].Arn, layer.LayerVersionArn);
  });

  test("URLs", async (t) => {
    const FunctionName = await create(t);
    const { FunctionUrl } = await send("CreateFunctionUrlConfig", { FunctionName, AuthType: "NONE", Cors: { AllowOrigins: ["*"] } });
    const anyone = await visit(FunctionUrl);
    const { event } = JSON.parse(anyone.body);
    assert.deepEqual([anyone.status, event.rawPath, event.rawQueryString, event.body], [200, "/a/b", "c=d%20e&f=g&f=h", "given"]);
    await send("UpdateFunctionUrlConfig", { FunctionName, AuthType: "AWS_IAM" });
    assert.equal((await visit(FunctionUrl)).status, 403);
    const signed = await visit(FunctionUrl, true);
    assert.equal(signed.status, 200, signed.body);
    assert.equal(JSON.parse(signed.body).event.requestContext.authorizer.iam.accessKey, credentials.accessKeyId);
    await send("DeleteFunctionUrlConfig", { FunctionName });
    await refused(send("GetFunctionUrlConfig", { FunctionName }), "ResourceNotFoundException", "The resource you requested does not exist.");
  });

  test("refusals", async (t) => {
    const FunctionName = await create(t);
    const again = { FunctionName, Runtime: "nodejs20.x", Handler: "a.b", Role, Code: { ZipFile } };
    await refused(send("CreateFunction", again), "ResourceConflictException", `Function already exist: ${FunctionName}`);
    await refused(send("CreateFunction", { ...again, Code: { ZipFile: Buffer.from("no zip") } }), "InvalidParameterValueException", "Could not unzip uploaded file. Please check your file, then try to upload again.");
    await refused(send("CreateFunction", { ...again, MemorySize: 1 }), "ValidationException", "1 validation error detected: Value '1' at 'memorySize' failed to satisfy constraint: Member must have value greater than or equal to 128");
    await refused(send("ListCodeSigningConfigs", {}), "NotImplementedException", "Pinfold does not serve ListCodeSigningConfigs of AWS Lambda yet");
    await refused(new DynamoDBClient(settings).send(new ListTablesCommand({})), "NotImplementedException", "ListTables of Amazon DynamoDB");
    const wrong = new aws.LambdaClient({ ...settings, credentials: { ...credentials, secretAccessKey: "wrong" } });
    await refused(wrong.send(new aws.ListFunctionsCommand({})), "InvalidSignatureException", "The request signature we calculated does not match the signature you provided.");
  });
});

test("@aws-sdk/client-sts", async () => {
  const sts = new STSClient(settings);
  const got = await sts.send(new GetCallerIdentityCommand({}));
  assert.deepEqual([got.Account, got.Arn, got.UserId], [account, `arn:aws:iam::${account}:root`, account]);
  await refused(sts.send(new GetSessionTokenCommand({})), "NotImplemented", "GetSessionToken of AWS Security Token Service");
});
