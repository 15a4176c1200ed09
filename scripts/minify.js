// node minify.js <terser's bundle> <options as JSON>: JavaScript in, on standard input, and minified out.
const { readFileSync } = require("fs");
const { runInThisContext } = require("vm");

const [bundle, options] = process.argv.slice(2);
runInThisContext(readFileSync(bundle, "utf8"));  // as a page has it: `Terser` is global, and nothing is required
globalThis.Terser.minify(readFileSync(0, "utf8"), JSON.parse(options)).then(
  ({ code }) => process.stdout.write(code),
  (error) => {
    console.error(`line ${error.line}: ${error.message}`);
    process.exitCode = 1;
  },
);
