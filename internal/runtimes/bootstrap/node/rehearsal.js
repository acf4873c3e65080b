// The function of a rehearsal: see ahead.js.
'use strict';

exports.handler = async (event) => {
  console.log('heard', event);
  return { statusCode: 200, headers: { 'content-type': 'application/json' }, body: JSON.stringify(event) };
};
