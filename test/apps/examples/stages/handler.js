exports.show = async (event, context) => {
  const { DOMAIN, DEBUG, NAME, ITERATIONS, FLAG, PASSWORD_LENGTH } = process.env;
  return {
    statusCode: 200,
    headers: { 'X-Path': event.requestContext.path },
    body: JSON.stringify({
      DOMAIN, DEBUG, NAME, ITERATIONS, FLAG, PASSWORD_LENGTH, account: process.env.ACCOUNT === event.requestContext.accountId,
      stage: event.requestContext.stage, memory: context.memoryLimitInMB, name: context.functionName,
    }),
  };
};
