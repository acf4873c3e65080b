// Says in its log when it began with messages of a queue, and when it was over:
// milliseconds of the wall clock, with what is below them.
const now = () => performance.timeOrigin + performance.now();
exports.handler = async ({ Records: records }) => {
  const began = now();
  console.log("handled " + JSON.stringify({ first: records[0].body, count: records.length, began, ended: now() }));
};
