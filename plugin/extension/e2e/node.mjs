// A real node as a process of its own, and a client of its JSON-RPC.
import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:net';
import { join } from 'node:path';
import { sleep, until } from './browser.mjs';

const ROOT = join(import.meta.dirname, '../../..');
const WALLETS = join(ROOT, 'tests/wallets');

/** Accounts of the presets: the second and third of the well-known test mnemonic. */
export const SENDERS = [
  '0x59c6995e998f97a5a0044966f0945389dc9e86dae88c7a8412f4603b6b78690d',
  '0x5de4111afa1a4b94908f83103eb1f1706367c2e68ca870fc3fb9a804cdab365a',
];

/** Writes the demonstration's genesis with other values; `values` by their names in the file. */
export function writeGenesis(path, values) {
  let text = readFileSync(join(ROOT, 'config/demo.toml'), 'utf8');
  for (const [name, value] of Object.entries(values)) {
    const line = new RegExp(`^${name} = .*$`, 'm');
    if (!line.test(text)) throw new Error(`config/demo.toml has no ${name}`);
    text = text.replace(line, `${name} = ${value}`);
  }
  writeFileSync(path, text);
  return path;
}

/** A port that is free now. */
async function freePort() {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address();
  server.close();
  return port;
}

/** A running node. */
export class Node {
  #child;
  #log = '';

  /**
   * Starts `program node` and waits until it listens.
   * @param {{program: string, genesis: string, data: string, port?: number}} options
   */
  static async start({ program, genesis, data, port }) {
    const node = new Node();
    node.port = port ?? (await freePort());
    node.#child = spawn(
      program,
      ['node', '--json', '--config', genesis, '--data-dir', data, '--rpc', `127.0.0.1:${node.port}`],
      { stdio: ['ignore', 'pipe', 'pipe'] },
    );
    let said = '';
    node.#child.stdout.on('data', (bytes) => (said += bytes));
    node.#child.stderr.on('data', (bytes) => (node.#log = (node.#log + bytes).slice(-65_536)));
    const info = await until('the node', 120_000, () => {
      if (node.#child.exitCode !== null) throw new Error(`the node ended:\n${node.#log}`);
      return said.includes('}') ? JSON.parse(said) : null;
    });
    node.rpc = info.rpc;
    node.url = info.plugin;
    node.genesis = info.genesis;
    return node;
  }

  /** The end of what it wrote. */
  get log() {
    return this.#log;
  }

  /** Calls a method of JSON-RPC. */
  async call(method, ...params) {
    const answer = await fetch(this.rpc, {
      method: 'POST',
      headers: { 'content-type': 'application/json' },
      body: JSON.stringify({ jsonrpc: '2.0', id: 1, method, params }),
    });
    const { result, error } = await answer.json();
    if (error) throw new Error(`${method}: ${error.message}`);
    return result;
  }

  /** Sends a transfer with an independent wallet and waits for its receipt; its hash. */
  async transfer(sender, to, wei) {
    const child = spawn(process.execPath, ['viem.mjs', this.rpc, sender, to, wei], {
      cwd: WALLETS,
      stdio: ['ignore', 'pipe', 'inherit'],
    });
    let said = '';
    child.stdout.on('data', (bytes) => (said += bytes));
    const [code] = await once(child, 'close');
    if (code !== 0) throw new Error(`the wallet ended with ${code}`);
    const { hash, status } = JSON.parse(said);
    if (status !== 'success') throw new Error(`the transfer has status ${status}`);
    return hash;
  }

  /** What the chain says of a transaction's item. */
  item(hash) {
    return this.call('crowdfold_itemStatus', hash);
  }

  /** What the chain says of a prover; null before it is registered. */
  prover(address) {
    return this.call('crowdfold_prover', address);
  }

  /** Ends it in order. */
  async stop() {
    if (this.#child.exitCode !== null) return;
    this.#child.kill('SIGTERM');
    const timer = sleep(20_000).then(() => 'late');
    const ended = once(this.#child, 'exit');
    if ((await Promise.race([ended, timer])) === 'late') this.kill();
    await ended;
  }

  /** Ends it at once. */
  kill() {
    this.#child.kill('SIGKILL');
  }
}
