// What a run says while it goes, and that it ends with whoever started it.

/** Lines with the seconds since the start. */
export class Report {
  #start = Date.now();

  line(text) {
    console.log(`[${((Date.now() - this.#start) / 1000).toFixed(1).padStart(6)} s] ${text}`);
  }

  number(what, value) {
    this.line(`${what}: ${value}`);
  }

  /** Does something and says how long it took. */
  async timed(what, work) {
    const start = Date.now();
    const result = await work();
    this.line(`${what}: ${((Date.now() - start) / 1000).toFixed(1)} s`);
    return result;
  }

  end() {
    this.line('all shown');
  }
}

/**
 * Calls `clean` and ends when the process that started this one closes our standard input (with its death, if not
 * before) or a signal comes. Without CROWDFOLD_PARENT standard input may be anything, and only signals count.
 */
export function endWithParent(clean) {
  let ending = false;
  const end = async () => {
    if (ending) return;
    ending = true;
    await clean();
    process.exit(1);
  };
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP']) process.on(name, end);
  if (process.env.CROWDFOLD_PARENT) {
    process.stdin.resume();
    process.stdin.on('end', end);
    process.stdin.on('error', end);
  }
}
