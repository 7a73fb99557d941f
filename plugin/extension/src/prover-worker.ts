/**
 * The worker that proves: the WebAssembly module with its thread pool, one job at a time.
 *
 * It may block (a page may not). Requests come in order; cancelling goes through shared memory, because a worker that
 * proves does not read its messages. When the module has died it says `unusable` and is thrown away.
 */

import type { FromProver, Running, ToProver, Trouble } from "./messages";
import { memoryFor } from "./memory";
import { startPool } from "./pool";
import { describe } from "./trouble";
import { type Door, importDoor, type Prover, thrownByDoor, wasmUrl } from "./wasm";

/** Nonces tried between two looks at the cancel flag. */
const SOLVE_STEP = 1n << 14n;
/** Longest time between two words about a proof. */
const ALIVE_MS = 1_000;

const post = (message: FromProver, transfer: Transferable[] = []): void => {
  (self as unknown as { postMessage(message: FromProver, transfer: Transferable[]): void }).postMessage(
    message,
    transfer,
  );
};

let door: Door | null = null;
let memory: WebAssembly.Memory | null = null;
let memoryMb = 0;
let prover: Prover | null = null;
let isUnusable = false;

function unusable(code: Trouble["code"], detail: string): void {
  isUnusable = true;
  post({ type: "unusable", code, detail });
}

function memoryBytes(): number {
  return memory?.buffer.byteLength ?? 0;
}

/** What died for want of memory says so only in its last words, or has filled what it was given. */
function codeOfDeath(detail: string): Trouble["code"] {
  const isFull = memoryBytes() >= memoryMb * 1_048_576 * 0.9;
  return isFull || /memory allocation|out of memory|capacity overflow/i.test(detail) ? "out-of-memory" : "prover-failed";
}

async function start(message: Extract<ToProver, { type: "start" }>): Promise<void> {
  if (!self.crossOriginIsolated || typeof SharedArrayBuffer === "undefined") {
    return unusable("no-threads", "this browser gives the extension no shared memory");
  }
  memoryMb = message.memory_mb;
  const bytes = await (await fetch(wasmUrl())).arrayBuffer();
  const module = await WebAssembly.compile(bytes);
  try {
    memory = memoryFor(new Uint8Array(bytes), message.memory_mb);
  } catch (error) {
    return unusable("out-of-memory", describe(error));
  }
  door = await importDoor();
  await door.default({ module_or_path: module, memory });
  await startPool(door, module, memory, message.threads, (detail) => unusable(codeOfDeath(detail), detail));
  post({ type: "started", memory });
}

function prepare(message: Extract<ToProver, { type: "prepare" }>): void {
  if (door === null) return unusable("prover-failed", "prepare before start");
  const began = performance.now();
  try {
    prover = new door.Prover(new Uint8Array(message.key), message.params_digest);
  } catch (error) {
    const thrown = thrownByDoor(error);
    if (thrown?.code === "wrong-keys" || thrown?.code === "too-old") return unusable(thrown.code, thrown.detail);
    const detail = thrown?.detail ?? describe(error);
    return unusable(codeOfDeath(detail), detail);
  }
  post({ type: "ready", ms: performance.now() - began, memory_bytes: memoryBytes() });
}

function prove(message: Extract<ToProver, { type: "prove" }>): void {
  const { task, attempt } = message;
  if (prover === null) {
    return post({ type: "failed", task, attempt, kind: "failed", detail: "the prover is not ready" });
  }
  const cancel = new Int32Array(message.cancel);
  const began = performance.now();
  let told = { stage: "", permille: -1, at_ms: 0 };
  const onProgress = (stage: string, permille: number): boolean => {
    const at_ms = performance.now();
    // Also without news it is told from time to time that the proof lives.
    if (stage !== told.stage || permille !== told.permille || at_ms > told.at_ms + ALIVE_MS) {
      told = { stage, permille, at_ms };
      const at = { task, attempt, stage: stage as Running["stage"], permille };
      post({ type: "progress", ...at, memory_bytes: memoryBytes() });
    }
    return Atomics.load(cancel, 0) === 0;
  };
  let proof: Uint8Array<ArrayBuffer>;
  try {
    proof = prover.prove(message.package, BigInt(task), message.worker, onProgress);
  } catch (error) {
    const thrown = thrownByDoor(error);
    if (thrown?.code === "cancelled" || thrown?.code === "bad-package" || thrown?.code === "failed") {
      return post({ type: "failed", task, attempt, kind: thrown.code, detail: thrown.detail });
    }
    const detail = thrown?.detail ?? describe(error);
    return unusable(codeOfDeath(detail), detail);
  }
  const ms = performance.now() - began;
  post({ type: "proven", task, attempt, proof, ms, memory_bytes: memoryBytes() }, [proof.buffer]);
}

function solve(message: Extract<ToProver, { type: "solve" }>): void {
  if (door === null) return unusable("prover-failed", "solve before start");
  const cancel = new Int32Array(message.cancel);
  const expected = BigInt(message.expected);
  for (let start = 0n; Atomics.load(cancel, 0) === 0; start += SOLVE_STEP) {
    const { plugin, block_hash } = message;
    const nonce = door.solve_registration(BigInt(message.chain_id), plugin, block_hash, expected, start, SOLVE_STEP);
    if (nonce !== undefined) return post({ type: "solved", height: message.height, nonce: nonce.toString() });
  }
}

async function handle(message: ToProver): Promise<void> {
  switch (message.type) {
    case "start":
      return start(message);
    case "prepare":
      return prepare(message);
    case "prove":
      return prove(message);
    case "solve":
      return solve(message);
  }
}

/** Messages one after the other, also while `start` waits. */
let queue: Promise<void> = Promise.resolve();
self.onmessage = (event: MessageEvent<ToProver>): void => {
  queue = queue.then(async () => {
    if (isUnusable) return;
    try {
      await handle(event.data);
    } catch (error) {
      const detail = thrownByDoor(error)?.detail ?? describe(error);
      unusable(codeOfDeath(detail), detail);
    }
  });
};
