import { GetFunctionConfigurationCommand, InvokeCommand, LambdaClient } from "@aws-sdk/client-lambda";

const lambda = new LambdaClient({});

export async function handler(event, context) {
  if (event.routeKey === "GET /whoami") {
    const { accessKeyId, sessionToken } = await lambda.config.credentials();
    const refused = await lambda.send(new GetFunctionConfigurationCommand({ FunctionName: context.functionName })).catch((err) => err);
    return { key: accessKeyId.slice(0, 4), token: Boolean(sessionToken), region: await lambda.config.region(), refused: refused.name, message: refused.message };
  }
  const { by = "STOCK", ...order } = JSON.parse(event.body);
  const answer = await lambda.send(new InvokeCommand({ FunctionName: process.env[by], Payload: JSON.stringify(order), LogType: "Tail" }));
  const payload = JSON.parse(Buffer.from(answer.Payload).toString());
  if (answer.FunctionError) {
    const log = Buffer.from(answer.LogResult, "base64").toString();
    return { statusCode: 409, body: JSON.stringify({ error: payload.errorMessage, type: payload.errorType, logged: log.includes("nothing left of " + order.item) }) };
  }
  const other = await lambda.send(new InvokeCommand({ FunctionName: "nobody", Payload: "{}" })).catch((err) => err.name);
  return { statusCode: 201, body: JSON.stringify({ ...payload, version: answer.ExecutedVersion, other }) };
}
