/** Counts the bytes of the user's day, and writes them now and then. */

import { dayOf } from "./history";
import type { Saved } from "./saved";

/** Time between two writes. */
const WRITE_MS = 30_000;

export class TrafficMeter {
  #writtenAtMs = 0;

  constructor(
    private readonly saved: Saved,
    private readonly wallMs: () => number,
  ) {}

  get today(): number {
    const { day, bytes } = this.saved.traffic;
    return day === dayOf(new Date(this.wallMs())) ? bytes : 0;
  }

  count(bytes: number): void {
    this.saved.traffic = { day: dayOf(new Date(this.wallMs())), bytes: this.today + bytes };
  }

  /** Writes what was counted, if it is time. */
  save(now: number): void {
    if (now < this.#writtenAtMs + WRITE_MS) return;
    this.#writtenAtMs = now;
    this.saved.setTraffic(this.saved.traffic);
  }
}
