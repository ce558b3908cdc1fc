// What llama.cpp, by npm's node-llama-cpp, makes of a model file: for ci/peers.sh, whose tests hold the runner against it.
// usage: node llama_cpp.mjs NODE_MODULES MODEL logits TOKEN... [/ TOKEN...]...    to stdout the probabilities of all tokens after each
//                                                                                 of these, as 32-bit floats; behind a / a text begins anew
//        node llama_cpp.mjs NODE_MODULES MODEL tokens|marked < LINES               the tokens of each line, a JSON string, as a JSON array;
//                                                                                 marked: what is written as a control token is that token
import {createInterface} from "node:readline";
import {pathToFileURL} from "node:url";

const [modules, path, command, ...tokens] = process.argv.slice(2);
const {getLlama} = await import(pathToFileURL(`${modules}/node-llama-cpp/dist/index.js`));
const llama = await getLlama({gpu: false, build: "never", logLevel: "error"});
const onlyTokens = command === "tokens" || command === "marked";
const model = await llama.loadModel({modelPath: path, vocabOnly: onlyTokens});

if (onlyTokens) {
  for await (const line of createInterface({input: process.stdin})) {
    console.log(JSON.stringify([...model.tokenize(JSON.parse(line), command === "marked")]));
  }
} else {
  const texts = [[]];
  for (const token of tokens) token === "/" ? texts.push([]) : texts.at(-1).push(Number(token));
  // One position more than the longest takes: with the last of them it would forget the first ones.
  const contextSize = Math.max(...texts.map((text) => text.length)) + 1;
  const context = await model.createContext({contextSize, batchSize: 32, threads: 1});
  const sequence = context.getSequence();
  const options = {temperature: 1, topK: 0, topP: 1, minP: 0};
  for (const text of texts) {
    await sequence.clearHistory();
    const steps = await sequence.controlledEvaluate(
      text.map((token) => [token, {generateNext: {probabilities: true, options}}]));
    for (const step of steps) {
      const probabilities = step.next.probabilities;
      const row = new Float32Array(Math.max(...probabilities.keys()) + 1);
      for (const [token, probability] of probabilities) row[token] = probability;
      process.stdout.write(new Uint8Array(row.buffer));
    }
  }
}
