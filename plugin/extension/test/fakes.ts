/** Stand-ins for what the browser gives the engine. */

import type { SocketLike, Timers } from "../src/link";

/** A clock and timers that only move when told. */
export class FakeTime implements Timers {
  now = 1_700_000_000_000;
  #timers = new Map<number, { at: number; run: () => void }>();
  #next = 1;

  set(run: () => void, ms: number): unknown {
    const id = this.#next++;
    this.#timers.set(id, { at: this.now + ms, run });
    return id;
  }

  clear(timer: unknown): void {
    this.#timers.delete(timer as number);
  }

  /** Runs everything that is due within so many milliseconds, in order; promises get their turn in between. */
  async pass(ms: number): Promise<void> {
    const end = this.now + ms;
    for (;;) {
      await settle();
      const due = [...this.#timers].filter(([, t]) => t.at <= end).sort((a, b) => a[1].at - b[1].at || a[0] - b[0])[0];
      if (due === undefined) break;
      this.#timers.delete(due[0]);
      this.now = Math.max(this.now, due[1].at);
      due[1].run();
    }
    this.now = end;
    await settle();
  }

  /** The machine sleeps: time passes, timers do not run, and then all that are due run once. */
  async sleep(ms: number): Promise<void> {
    this.now += ms;
    await this.pass(0);
  }
}

/** Lets promises and IndexedDB's fake (which uses setImmediate) settle. */
export async function settle(): Promise<void> {
  for (let i = 0; i < 20; i += 1) await new Promise((resolve) => setImmediate(resolve));
}

export class FakeSocket implements SocketLike {
  binaryType = "";
  bufferedAmount = 0;
  onopen: ((event: Event) => void) | null = null;
  onmessage: ((event: MessageEvent<unknown>) => void) | null = null;
  onclose: ((event: CloseEvent) => void) | null = null;
  onerror: ((event: Event) => void) | null = null;
  sent: Uint8Array[] = [];
  isClosed = false;

  constructor(readonly url: string) {}

  send(bytes: Uint8Array<ArrayBuffer>): void {
    this.sent.push(bytes);
  }

  close(): void {
    this.isClosed = true;
  }

  open(): void {
    this.onopen?.(new Event("open"));
  }

  receive(data: unknown): void {
    this.onmessage?.({ data } as MessageEvent<unknown>);
  }

  drop(): void {
    this.onclose?.({} as CloseEvent);
  }
}
