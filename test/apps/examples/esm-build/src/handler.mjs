const started = await Promise.resolve('loaded');

export const currentTime = async (event) => ({
  statusCode: 200,
  body: JSON.stringify({ started, time: event.requestContext.timeEpoch > 0, commonjs: typeof require }),
});
