// What llama.cpp, by npm's node-llama-cpp, makes of a model file: for ci/peers.sh, whose tests hold the runner against it.
// usage: node llama_cpp.mjs NODE_MODULES MODEL logits TOKEN... > PROBABILITIES    those of all tokens after each of these, as 32-bit floats
//        node llama_cpp.mjs NODE_MODULES MODEL tokens < LINES                      the tokens of each line, a JSON string, as a JSON array
import {createInterface} from "node:readline";
import {pathToFileURL} from "node:url";

const [modules, path, command, ...tokens] = process.argv.slice(2);
const {getLlama} = await import(pathToFileURL(`${modules}/node-llama-cpp/dist/index.js`));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const model = await llama.loadModel({modelPath: path});

if (command === "tokens") {
  for await (const line of createInterface({input: process.stdin})) {
    console.log(JSON.stringify([...model.tokenize(JSON.parse(line), false)]));
  }
} else {
  const context = await model.createContext({contextSize: Math.max(tokens.length, 32), batchSize: 32, threads: 1});
  const options = {temperature: 1, topK: 0, topP: 1, minP: 0};
  const steps = await context.getSequence().controlledEvaluate(
    tokens.map((token) => [Number(token), {generateNext: {probabilities: true, options}}]));
  for (const step of steps) {
    const probabilities = step.next.probabilities;
    const row = new Float32Array(Math.max(...probabilities.keys()) + 1);
    for (const [token, probability] of probabilities) row[token] = probability;
    process.stdout.write(new Uint8Array(row.buffer));
  }
}
