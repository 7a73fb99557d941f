/**
 * The core's WebSocket and clock: the browser's twin of the headless shell.
 *
 * Everything that happens is told to the core with the time, and then the core's actions are done, exactly in their
 * order, until there are none. The shell decides nothing but which of the nodes is tried: after a connection that was
 * not kept, the next.
 */

import type { Clock } from "./clock";
import type { Action, Core } from "./wasm";

/** Longest message, both ways; the protocol's limit of a frame. */
export const FRAME_BYTES_MAX = 1 << 20;
/** Time for opening a connection. */
const CONNECT_MS = 10_000;
/** Bytes that may wait in the browser before the connection counts as stuck. */
const BUFFERED_BYTES_MAX = 32 << 20;
/** Longest sleep: after the machine slept, time that passed is seen at the next wake-up. */
const SLEEP_MS_MAX = 2_000;

/** As much of a WebSocket as is used. */
export interface SocketLike {
  binaryType: string;
  readonly bufferedAmount: number;
  onopen: ((event: Event) => void) | null;
  onmessage: ((event: MessageEvent<unknown>) => void) | null;
  onclose: ((event: CloseEvent) => void) | null;
  onerror: ((event: Event) => void) | null;
  send(bytes: Uint8Array<ArrayBuffer>): void;
  close(): void;
}

export interface Timers {
  set(run: () => void, ms: number): unknown;
  clear(timer: unknown): void;
}

export interface LinkOptions {
  core: Core;
  clock: Clock;
  timers: Timers;
  /** Opens a connection; may throw for an address that the browser refuses. */
  dial: (url: string) => SocketLike;
  /** The nodes, at least one. */
  nodes: readonly string[];
  /** Everything that is not of the connection. Called in the core's order; may call the core, not `settle`. */
  perform: (action: Exclude<Action, { type: "connect" | "send" | "disconnect" }>) => void;
  /** Bytes went over the wire. */
  onBytes: (bytes: number) => void;
  /** The node did what no node does. */
  onFault: (detail: string) => void;
  /** Something may have changed. */
  onChange: () => void;
}

export class Link {
  #socket: SocketLike | null = null;
  #isOpen = false;
  #dialing: unknown = null;
  #timer: unknown = null;
  #node = 0;
  /** Whether the last connection came to nothing: then the next node is tried. */
  #isWasted = false;
  #isSettling = false;
  #isOver = false;

  constructor(private readonly options: LinkOptions) {}

  /** The node that is tried or used. */
  get node(): string | null {
    return this.options.nodes[this.#node % Math.max(1, this.options.nodes.length)] ?? null;
  }

  get isConnected(): boolean {
    return this.#isOpen;
  }

  start(): void {
    this.tick();
  }

  /** The node let the plugin in: it gets the first try to continue the session. */
  loggedIn(): void {
    this.#isWasted = false;
  }

  /** Tells the core something and does what it then wants. */
  tell(what: (core: Core, now: number) => void): void {
    if (this.#isOver) return;
    what(this.options.core, this.options.clock.now());
    this.settle();
  }

  tick(): void {
    this.tell((core, now) => core.tick(now));
  }

  /** The node is of no use: the next one is tried. */
  blame(): void {
    this.#isWasted = true;
    if (this.#socket !== null) this.#lost();
  }

  /** The browser says that the network is back. */
  online(): void {
    this.tell((core, now) => core.connect_now(now));
  }

  /** The browser says that the network is gone: whatever is open is dead. */
  offline(): void {
    if (this.#socket !== null) this.#lost();
  }

  /** Ends without a farewell; the core is asked nothing more. */
  close(): void {
    this.#isOver = true;
    this.options.timers.clear(this.#timer);
    this.#drop();
  }

  /** Does what the core wants, in its order, until there is nothing. */
  settle(): void {
    // What is told to the core while its actions are done is seen by the loop that runs.
    if (this.#isSettling || this.#isOver) return;
    this.#isSettling = true;
    try {
      for (;;) {
        const actions = this.options.core.actions();
        if (actions.length === 0) break;
        for (const action of actions) this.#perform(action);
        if (this.#isOver) return;
      }
    } finally {
      this.#isSettling = false;
    }
    this.#sleep();
    this.options.onChange();
  }

  #perform(action: Action): void {
    switch (action.type) {
      case "connect":
        return this.#connect();
      case "send":
        return this.#send(action.bytes);
      case "disconnect":
        return this.#drop();
      default:
        return this.options.perform(action);
    }
  }

  #sleep(): void {
    const { core, clock, timers } = this.options;
    timers.clear(this.#timer);
    const wakeup = core.next_wakeup_ms();
    const ms = wakeup === undefined ? SLEEP_MS_MAX : Math.min(Math.max(0, wakeup - clock.now()), SLEEP_MS_MAX);
    this.#timer = timers.set(() => this.tick(), ms);
  }

  #connect(): void {
    this.#drop();
    if (this.#isWasted) this.#node += 1;
    this.#isWasted = true;
    const url = this.node;
    let socket: SocketLike;
    try {
      if (url === null) throw new Error("no node");
      socket = this.options.dial(url);
    } catch {
      this.options.core.disconnected(this.options.clock.now());
      return;
    }
    socket.binaryType = "arraybuffer";
    this.#socket = socket;
    const ifCurrent = (run: () => void): void => {
      if (this.#socket === socket) run();
    };
    this.#dialing = this.options.timers.set(() => ifCurrent(() => this.#lost()), CONNECT_MS);
    socket.onopen = () =>
      ifCurrent(() => {
        this.options.timers.clear(this.#dialing);
        this.#isOpen = true;
        this.tell((core, now) => core.connected(now));
      });
    socket.onmessage = (event) => ifCurrent(() => this.#receive(event.data));
    socket.onerror = () => ifCurrent(() => this.#lost());
    socket.onclose = () => ifCurrent(() => this.#lost());
  }

  #receive(data: unknown): void {
    if (!(data instanceof ArrayBuffer)) return this.#fault("a text message instead of a binary one");
    this.options.onBytes(data.byteLength);
    if (data.byteLength > FRAME_BYTES_MAX) return this.#fault(`a message of ${data.byteLength} bytes`);
    this.tell((core, now) => core.receive(now, new Uint8Array(data)));
  }

  #fault(detail: string): void {
    this.options.onFault(detail);
    this.#isWasted = true;
    this.#lost();
  }

  #send(bytes: Uint8Array<ArrayBuffer>): void {
    const socket = this.#socket;
    if (socket === null || !this.#isOpen) return;
    if (socket.bufferedAmount > BUFFERED_BYTES_MAX) {
      this.#drop();
      this.options.core.disconnected(this.options.clock.now());
      return;
    }
    this.options.onBytes(bytes.length);
    socket.send(bytes);
  }

  /** The connection ended by itself. */
  #lost(): void {
    this.#drop();
    this.tell((core, now) => core.disconnected(now));
  }

  #drop(): void {
    this.options.timers.clear(this.#dialing);
    const socket = this.#socket;
    this.#socket = null;
    this.#isOpen = false;
    socket?.close();
  }
}
