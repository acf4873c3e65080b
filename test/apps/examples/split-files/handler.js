const fs = require('fs');

exports.settings = async () => {
  const { SECRET, PUBLIC_KEY, TOKEN, FROM_DOTENV, PERMISSIONS } = process.env;
  return { statusCode: 200, body: JSON.stringify({ SECRET, PUBLIC_KEY, TOKEN, FROM_DOTENV, PERMISSIONS }) };
};

exports.list = async (event, context) => ({
  statusCode: 200,
  body: JSON.stringify({ left: Math.round(context.getRemainingTimeInMillis() / 1000), dotenv: fs.existsSync(`${__dirname}/.env`) }),
});
