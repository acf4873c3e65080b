module.exports.run = (event, context) => {
  console.log(`Your cron function "${context.functionName}" ran at ${new Date(event.time).toISOString()}`);
};
