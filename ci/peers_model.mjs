// Whole models in assay and in llama.cpp, in turn: ci/peers.sh runs it.
// usage: node peers_model.mjs ASSAY NODE_MODULES MODEL...
//   ASSAY_LLAMA_BENCH   of the environment: the path of a llama-bench that somebody has built, of llama.cpp or ik_llama.cpp: further columns
//   ROUNDS, THREADS     likewise: how often each is run (3), and with how many threads ("1 2")
// Prints a table in Markdown: medians. Nothing else may run on the machine meanwhile.
import {spawnSync} from "node:child_process";
import {closeSync, openSync, readSync, statSync} from "node:fs";
import {basename} from "node:path";
import {fileURLToPath} from "node:url";

const [assay, modules, ...models] = process.argv.slice(2);
const bench = process.env.ASSAY_LLAMA_BENCH;
const rounds = Number(process.env.ROUNDS ?? 3);
const threadCounts = (process.env.THREADS ?? "1 2").split(" ").map(Number);
const kPrompt = 512, kGenerated = 32;
const kMiB = 2 ** 20;

function outputOf(program, ...all) {
  const run = spawnSync(program, all.map(String), {encoding: "utf8", maxBuffer: 2 ** 26});
  if (run.status !== 0) {
    console.error(`peers_model.mjs: ${program} ${all.join(" ")}: ${run.error ?? run.stderr}`);
    process.exit(3);
  }
  return JSON.parse(run.stdout);
}

function ours(model, threads) {
  const [prompt, generated] = outputOf(assay, "bench-model", "-m", model, "-p", kPrompt, "-n", kGenerated, "-r", 1, "-t", threads,
    "--cache-type", "f16", "-o", "json", "-q");
  return {pp: prompt.avg_ts, tg: generated.avg_ts, share: generated.bandwidth_share, load: generated.load_s,
    memory: generated.peak_memory, kv: generated.kv_bytes};
}

function theirs(model, threads) {
  const r = outputOf("node", fileURLToPath(new URL("llama_cpp_speed.mjs", import.meta.url)), modules, model, threads, kPrompt, kGenerated);
  return {pp: kPrompt / r.prompt_s, tg: kGenerated / r.generated_s, load: r.load_s, memory: r.peak_memory};
}

function benched(model, threads) {
  const rows = outputOf(bench, "-m", model, "-p", kPrompt, "-n", kGenerated, "-t", threads, "-r", 1, "-o", "json");
  const rate = (name) => rows.find((row) => row[name] > 0).avg_ts;
  return {pp: rate("n_prompt"), tg: rate("n_gen")};
}

/// Seconds that reading the file takes where the system has it in memory.
function readingOf(model) {
  const part = Buffer.allocUnsafe(kMiB);
  const file = openSync(model);
  const begin = performance.now();
  while (readSync(file, part) > 0);
  closeSync(file);
  return (performance.now() - begin) / 1000;
}

function median(values) {
  const sorted = [...values].sort((a, b) => a - b);
  return (sorted[(sorted.length - 1) >> 1] + sorted[sorted.length >> 1]) / 2;
}

/// Of each number of the results.
const medians = (results) =>
  Object.fromEntries(Object.keys(results[0]).map((key) => [key, median(results.map((result) => result[key]))]));

const contestants = {assay: ours, "llama.cpp": theirs};
if (bench !== undefined) contestants[basename(bench)] = benched;
const others = Object.keys(contestants).slice(1);
const columns = ["model", "threads"];
for (const test of [`pp${kPrompt}`, `tg${kGenerated}`]) {
  columns.push(`${test} assay`, ...others.flatMap((name) => [name, "ratio"]));
  columns.push(test.startsWith("pp") ? "to one thread" : "of bandwidth");
}
columns.push("load s, assay", "llama.cpp", "reading", "memory MiB, assay", "llama.cpp", "file", "file + 10 % + KV");
const print = (cells) => console.log(`| ${cells.join(" | ")} |`);
print(columns);
print(columns.map((_, i) => (i === 0 ? "---" : "---:")));
for (const model of models) {
  let alone;
  for (const threads of threadCounts) {
    const results = Object.fromEntries(Object.keys(contestants).map((name) => [name, []]));
    const readings = [];
    readingOf(model);
    for (let round = 0; round < rounds; ++round) {
      readings.push(readingOf(model));
      for (const [name, run] of Object.entries(contestants)) results[name].push(run(model, threads));
    }
    const of = Object.fromEntries(Object.entries(results).map(([name, all]) => [name, medians(all)]));
    const {assay: mine, "llama.cpp": npm} = of;
    alone ??= mine.pp / threads;
    const size = statSync(model).size;
    const besideOther = (key, value) => [value.toFixed(1), (mine[key] / value).toFixed(2)];
    const beside = (key) => [mine[key].toFixed(1), ...others.flatMap((name) => besideOther(key, of[name][key]))];
    print([basename(model, ".gguf"), threads, ...beside("pp"), (mine.pp / alone).toFixed(2), ...beside("tg"), mine.share.toFixed(2),
      mine.load.toFixed(2), npm.load.toFixed(2), median(readings).toFixed(2),
      ...[mine.memory, npm.memory, size, 1.1 * size + mine.kv].map((bytes) => (bytes / kMiB).toFixed(0))]);
  }
}
