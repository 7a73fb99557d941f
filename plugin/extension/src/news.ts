/** What the user is told: the trouble that is shown, and notifications that the settings allow. */

import type { Settings, ToServiceWorker, Trouble } from "./messages";
import { troubleOf } from "./trouble";
import { TROUBLE } from "./ui/words";

/** Something to tell outside of the popup. */
export interface News {
  kind: keyof Settings["notifications"];
  title: string;
  message: string;
}

export class Newsroom {
  trouble: Trouble | null = null;

  constructor(
    private readonly allowed: () => Settings["notifications"],
    private readonly wallMs: () => number,
    private readonly tellServiceWorker: (message: ToServiceWorker) => void,
    private readonly onChange: () => void,
  ) {}

  tell(news: News): void {
    if (this.allowed()[news.kind]) this.tellServiceWorker({ to: "service-worker", type: "notify", ...news });
  }

  /** Shows trouble; the same kind again is not told again. */
  fail(error: unknown, otherwise: Trouble["code"]): void {
    const trouble = troubleOf(error, otherwise, this.wallMs());
    const isNew = this.trouble?.code !== trouble.code;
    this.trouble = trouble;
    const { title, text } = TROUBLE[trouble.code];
    if (isNew) this.tell({ kind: "trouble", title, message: text });
    this.onChange();
  }

  /** These kinds are over. */
  clear(...codes: Trouble["code"][]): void {
    if (this.trouble !== null && codes.includes(this.trouble.code)) this.trouble = null;
  }
}
