/** The engine's side of popup and options: views out, commands in, replies back. */

import type { Command, UiMessage, View } from "./messages";
import { isOwn, type Sender } from "./sender";
import { troubleOf } from "./trouble";
import { parseRequest, parseRequestId } from "./validate";

/** As much of a port as is used. */
export interface PortLike {
  readonly name: string;
  readonly sender?: Sender | undefined;
  readonly onMessage: { addListener(listener: (message: unknown) => void): void };
  readonly onDisconnect: { addListener(listener: () => void): void };
  postMessage(message: UiMessage): void;
  disconnect(): void;
}

export interface PortsOptions {
  id: string;
  root: string;
  hardwareThreads: number;
  wallMs: () => number;
  command: (command: Command) => Promise<string | undefined>;
  onOpen: () => void;
  onClose: () => void;
}

export class Ports {
  readonly #open = new Set<PortLike>();

  constructor(private readonly options: PortsOptions) {}

  get count(): number {
    return this.#open.size;
  }

  accept(port: PortLike): void {
    const { id, root } = this.options;
    if (port.name !== "ui") return;
    if (!isOwn(port.sender, id, root)) return port.disconnect();
    this.#open.add(port);
    port.onMessage.addListener((message) => void this.#request(port, message));
    port.onDisconnect.addListener(() => {
      if (this.#open.delete(port)) this.options.onClose();
    });
    this.options.onOpen();
  }

  publish(view: View): void {
    for (const port of this.#open) this.#post(port, { type: "view", view });
  }

  async #request(port: PortLike, message: unknown): Promise<void> {
    const id = parseRequestId(message);
    if (id === null) return;
    try {
      const request = parseRequest(message, this.options.hardwareThreads);
      // Unknown commands are ignored: nothing of ours sends them.
      if (request === null) return;
      const secret = await this.options.command(request.command);
      this.#post(port, secret === undefined ? { type: "reply", id, ok: true } : { type: "reply", id, ok: true, secret });
    } catch (error) {
      const trouble = troubleOf(error, "prover-failed", this.options.wallMs());
      this.#post(port, { type: "reply", id, ok: false, trouble });
    }
  }

  #post(port: PortLike, message: UiMessage): void {
    if (!this.#open.has(port)) return;
    try {
      port.postMessage(message);
    } catch {
      // It was closed a moment ago; its onDisconnect may still come.
      if (this.#open.delete(port)) this.options.onClose();
    }
  }
}
