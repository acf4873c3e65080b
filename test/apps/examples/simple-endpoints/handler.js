'use strict';

module.exports.endpoint = (event, context, callback) => {
  callback(null, {
    statusCode: 200,
    body: JSON.stringify({ message: 'It is ' + new Date().toTimeString(), resource: event.resource }),
  });
};

module.exports.landingPage = (event, context, callback) => {
  const name = event.queryStringParameters && event.queryStringParameters.name;
  callback(null, {
    statusCode: 200,
    headers: { 'Content-Type': 'text/html; charset=utf-8' },
    body: `<html><body><h1>Welcome, ${name || 'stranger'}</h1></body></html>`,
  });
};

module.exports.submit = (event, context, callback) => {
  const form = (event.pathParameters || { form: 'contact' }).form;
  if (!event.body) return callback(null, { statusCode: 400, body: 'nothing was sent' });
  return callback(null, { statusCode: 303, headers: { Location: `/thanks/${form}` }, body: '' });
};
