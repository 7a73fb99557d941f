/**
 * Time for the core: milliseconds that never go back, and that include time asleep.
 *
 * `performance.now()` stands still while the machine sleeps; the wall clock can be set back. So time advances by what
 * the wall clock says, unless that is less than what ran meanwhile: then the wall clock was set back, and what ran
 * counts. A wall clock set forward looks like sleep: the core reconnects, nothing worse.
 */

/** Differences between the two clocks below this are drift, in milliseconds. */
const DRIFT_MS = 500;

export class Clock {
  #now: number;
  #wall: number;
  #ran: number;

  constructor(
    private readonly wallMs: () => number,
    private readonly ranMs: () => number,
  ) {
    this.#wall = wallMs();
    this.#ran = ranMs();
    this.#now = this.#wall;
  }

  /** The core's time, in whole milliseconds. */
  now(): number {
    const wall = this.wallMs();
    const ran = this.ranMs();
    const byWall = wall - this.#wall;
    const byRun = Math.max(0, ran - this.#ran);
    this.#wall = wall;
    this.#ran = ran;
    this.#now += byWall >= byRun - DRIFT_MS ? Math.max(0, byWall) : byRun;
    return Math.floor(this.#now);
  }

  /** The user's time, in milliseconds since the Unix epoch. */
  wall(): number {
    return this.wallMs();
  }
}
