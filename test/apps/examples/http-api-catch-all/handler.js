module.exports.handler = async (event) => {
  const { USERS_TABLE, UPLOADS, TABLE_ARN, TABLE_URL } = process.env;
  if (event.rawPath === '/') return { USERS_TABLE, UPLOADS, TABLE_ARN, TABLE_URL };
  return { statusCode: 404, body: JSON.stringify({ error: 'Not Found', method: event.requestContext.http.method, path: event.rawPath }) };
};
