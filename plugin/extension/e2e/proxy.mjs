// A lying node: a real one, with what it says edited on the way.
//
// It stands between plugin and node as a TCP proxy that reads WebSocket frames in both directions, counts what the
// plugin sends by kind, and lets a lie change what the node says. See src/events/wire for the layout of a message:
//
//   sequence u64 | acknowledged u64 | type u32 | version u16 | length u32 | payload        little-endian
import { createServer, connect } from 'node:net';
import { once } from 'node:events';

/** Types of messages, by their numbers in src/events/wire/frames.rs. */
export const SAYS = { WELCOME: 1, LOGGED_IN: 2, OFFER: 10, NOTICE: 14, STATUS: 15, CHUNK: 16, ACCOUNT: 19 };
const CLIENT = { 1: 'hello', 2: 'login', 10: 'system', 11: 'upload', 12: 'started', 13: 'progress', 14: 'request', 15: 'ack', 16: 'leave' };
const TYPE_AT = 16;
/** Where a message's payload begins. */
export const PAYLOAD_AT = 26;
const BINARY = 2;

/** Type of a message of the node; -1 when it is too short for one. */
export const typeOf = (bytes) => (bytes.length >= PAYLOAD_AT ? bytes.readUInt32LE(TYPE_AT) : -1);

export class LyingNode {
  #server;
  #sockets = new Set();

  /** Gives the messages to send in place of one of the node's: `(bytes: Buffer) => Buffer[]`; null tells the truth. */
  lie = null;
  /** What the plugin has sent, by kind, since `forget`. */
  heard = {};

  /** Starts in front of the node whose address is `ws://host:port/plugin`. */
  static async start(url) {
    const { hostname, port, pathname } = new URL(url);
    const lying = new LyingNode();
    lying.#server = createServer((plugin) => lying.#accept(plugin, connect(Number(port), hostname)));
    lying.#server.listen(0, '127.0.0.1');
    await once(lying.#server, 'listening');
    lying.url = `ws://127.0.0.1:${lying.#server.address().port}${pathname}`;
    return lying;
  }

  /** From now on tells this lie (null: the truth), to new connections; counts anew. */
  begin(lie) {
    this.lie = lie;
    this.heard = {};
    this.cut();
  }

  /** Cuts every connection. */
  cut() {
    for (const socket of this.#sockets) socket.destroy();
    this.#sockets.clear();
  }

  stop() {
    this.cut();
    this.#server.close();
  }

  #accept(plugin, node) {
    const fromNode = new Frames();
    const fromPlugin = new Frames();
    let isOpen = false;
    let head = Buffer.alloc(0);
    for (const socket of [plugin, node]) {
      this.#sockets.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        plugin.destroy();
        node.destroy();
        this.#sockets.delete(socket);
      });
    }
    plugin.on('data', (bytes) => {
      if (!isOpen) {
        head = Buffer.concat([head, bytes]);
        const end = head.indexOf('\r\n\r\n');
        if (end < 0) return;
        isOpen = true;
        // No compression: the messages are read here.
        const text = head.subarray(0, end).toString('latin1').replace(/\r\nsec-websocket-extensions:[^\r]*/i, '');
        node.write(`${text}\r\n\r\n`);
        bytes = head.subarray(end + 4);
      }
      for (const { opcode, payload } of fromPlugin.read(bytes)) {
        if (opcode !== BINARY) continue;
        const kind = CLIENT[typeOf(payload)] ?? 'unknown';
        this.heard[kind] = (this.heard[kind] ?? 0) + 1;
      }
      if (bytes.length) node.write(bytes);
    });
    let upgraded = false;
    let answer = Buffer.alloc(0);
    node.on('data', (bytes) => {
      if (!upgraded) {
        answer = Buffer.concat([answer, bytes]);
        const end = answer.indexOf('\r\n\r\n');
        if (end < 0) return;
        upgraded = true;
        plugin.write(answer.subarray(0, end + 4));
        bytes = answer.subarray(end + 4);
      }
      for (const { opcode, payload, raw } of fromNode.read(bytes)) {
        if (opcode !== BINARY || !this.lie) plugin.write(raw);
        else for (const message of this.lie(Buffer.from(payload))) plugin.write(frame(message));
      }
    });
  }
}

/** An unmasked binary frame. */
function frame(payload) {
  const { length } = payload;
  const head = Buffer.alloc(length < 126 ? 2 : length < 65_536 ? 4 : 10);
  head[0] = 0x80 | BINARY;
  if (length < 126) head[1] = length;
  else if (length < 65_536) head.writeUInt16BE(length, ((head[1] = 126), 2));
  else head.writeBigUInt64BE(BigInt(length), ((head[1] = 127), 2));
  return Buffer.concat([head, payload]);
}

/** Whole messages out of a stream of WebSocket frames; fragments are put together. */
class Frames {
  #rest = Buffer.alloc(0);
  #parts = [];
  #raws = [];
  #opcode = 0;

  read(bytes) {
    this.#rest = Buffer.concat([this.#rest, bytes]);
    const found = [];
    for (;;) {
      const one = this.#next();
      if (!one) return found;
      const { isLast, opcode, payload, raw } = one;
      if (opcode >= 8) {
        found.push({ opcode, payload, raw });
        continue;
      }
      if (opcode !== 0) this.#opcode = opcode;
      this.#parts.push(payload);
      this.#raws.push(raw);
      if (!isLast) continue;
      found.push({ opcode: this.#opcode, payload: Buffer.concat(this.#parts), raw: Buffer.concat(this.#raws) });
      this.#parts = [];
      this.#raws = [];
    }
  }

  #next() {
    const b = this.#rest;
    if (b.length < 2) return null;
    let at = 2;
    let length = b[1] & 0x7f;
    if (length === 126) {
      if (b.length < 4) return null;
      length = b.readUInt16BE(2);
      at = 4;
    } else if (length === 127) {
      if (b.length < 10) return null;
      length = Number(b.readBigUInt64BE(2));
      at = 10;
    }
    const isMasked = (b[1] & 0x80) !== 0;
    const end = at + (isMasked ? 4 : 0) + length;
    if (b.length < end) return null;
    const mask = isMasked ? b.subarray(at, at + 4) : null;
    const payload = Buffer.from(b.subarray(end - length, end));
    if (mask) for (let i = 0; i < payload.length; i++) payload[i] ^= mask[i & 3];
    const raw = b.subarray(0, end);
    this.#rest = b.subarray(end);
    return { isLast: (b[0] & 0x80) !== 0, opcode: b[0] & 0x0f, payload, raw };
  }
}

/** Lies about messages of one type: `edit` changes the bytes in place, or gives others. */
export const about = (type, edit) => (bytes) => (typeOf(bytes) === type ? [edit(bytes) ?? bytes] : [bytes]);
