// How fast llama.cpp, by npm's node-llama-cpp, runs a model file: for ci/peers_model.mjs.
// usage: node llama_cpp_speed.mjs NODE_MODULES MODEL THREADS PROMPT GENERATED
// Writes a JSON object: seconds of loading, of a prompt of so many drawn tokens, and of so many others one by one in an empty context, the
// latter two as the library counts them itself; bytes of memory at most, without those that node had before.
import {readFileSync} from "node:fs";
import {pathToFileURL} from "node:url";

const [modules, path, ...sizes] = process.argv.slice(2);
const [threads, prompt, generated] = sizes.map(Number);
const {getLlama} = await import(pathToFileURL(`${modules}/node-llama-cpp/dist/index.js`));
let log = "";
const llama = await getLlama({gpu: false, build: "never", logLevel: "info", logger: (_, text) => (log += text + "\n")});

const peakMemory = () => 1024 * Number(/VmHWM:\s*(\d+)/.exec(readFileSync("/proc/self/status", "utf8"))[1]);

// What the library itself takes: of each class the last time, as npm's package first estimates memory by models without weights.
const lasted = {};
for (const name of ["AddonModel", "AddonContext"]) {
  llama._bindings[name] = class extends llama._bindings[name] {
    async init(...all) {
      const begin = performance.now();
      const result = await super.init(...all);
      lasted[name] = (performance.now() - begin) / 1000;
      return result;
    }
  };
}

const before = peakMemory();
const model = await llama.loadModel({modelPath: path, ignoreMemorySafetyChecks: true});
const modelLasted = lasted.AddonModel;
const most = Math.max(prompt, generated);
const context = await model.createContext({contextSize: most + 2, batchSize: prompt, threads, performanceTracking: true});
const sequence = context.getSequence();
const vocabulary = model.fileInfo.metadata.tokenizer.ggml.tokens.length;
const drawn = Array.from({length: most}, (_, i) => Math.floor(Math.abs(Math.sin(i + 1)) * vocabulary));
const wanting = (token) => [token, {generateNext: {token: true, options: {temperature: 0}}}];
const read = () => sequence.controlledEvaluate([...drawn.slice(0, prompt - 1), wanting(drawn[prompt - 1])]);
const generate = async () => {
  for (const token of drawn.slice(0, generated)) await sequence.controlledEvaluate([wanting(token)]);
};
const timed = async (what, run) => {
  await sequence.clearHistory();
  await context.printTimings();  // which sets them back
  await run();
  log = "";
  await context.printTimings();
  return Number(new RegExp(`print: *${what} time = *([0-9.]+) ms`).exec(log)[1]) / 1000;
};
await read();  // warms up
await sequence.controlledEvaluate([wanting(drawn[0])]);
const result = {
  load_s: modelLasted + lasted.AddonContext,
  prompt_s: await timed("prompt eval", read),
  generated_s: await timed("eval", generate),
  peak_memory: peakMemory() - before
};
console.log(JSON.stringify(result));
