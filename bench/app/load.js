// Prints how many nanoseconds this process, which has booted, takes to load a file.
process.env.AWS_SDK_JS_NODE_VERSION_SUPPORT_WARNING_DISABLED = "true"; // it goes to a pipe that nobody reads
const file = process.argv[2];
setImmediate(() => {
  const began = process.hrtime.bigint();
  require(file);
  process.stdout.write(String(process.hrtime.bigint() - began), () => process.exit());
});
