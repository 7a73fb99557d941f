/** Keeps the books: what the core tells becomes history, account and news for the user. */

import { dayOf, type Happening, reduce, type HistoryEvent } from "./history";
import type { Account } from "./messages";
import type { News } from "./news";
import type { Saved } from "./saved";
import { amount } from "./ui/format";
import { PENALTY } from "./ui/words";
import type { CoreAccount, CoreEvent, Notice } from "./wasm";

/** Rewards within this time are told together, in milliseconds. */
const REWARD_NEWS_MS = 10 * 60_000;

export class Books {
  account: Account | null = null;
  /** Milliseconds that the proofs of this life took, by task and attempt. */
  #provingMs = new Map<string, number>();
  #untoldRewards = 0n;
  #rewardsToldMs = Number.NEGATIVE_INFINITY;

  constructor(
    private readonly saved: Saved,
    private readonly wallMs: () => number,
    private readonly onNews: (news: News) => void,
  ) {}

  /** Another wallet, another account. */
  reset(): void {
    this.account = null;
    this.#provingMs.clear();
    this.#untoldRewards = 0n;
  }

  /** A proof was made here, in so much time. */
  proved(task: string, attempt: number, ms: number): void {
    this.#provingMs.set(`${task} ${attempt}`, Math.round(ms));
  }

  hear(event: CoreEvent): void {
    const at_ms = this.wallMs();
    switch (event.type) {
      case "offered": {
        const { type, task, attempt, kind, segments, bounty, deadline, draw } = event;
        const job = { type, task, attempt, kind, segments, bounty, deadline, at_ms };
        return void this.#apply({ ...job, draw: draw === null ? null : drawOf(draw) });
      }
      case "proven": {
        const { type, task, attempt, proof_hash } = event;
        const ms = this.#provingMs.get(`${task} ${attempt}`) ?? null;
        this.#provingMs.delete(`${task} ${attempt}`);
        return void this.#apply({ type, task, attempt, proof_hash, ms });
      }
      case "receipt": {
        if (event.about.type !== "submit") return;
        const { message, answer, signature } = event;
        const receipt = { message, height: answer.height, accepted: answer.type === "accepted", signature };
        return void this.#apply({ type: "receipt", task: event.about.task, receipt });
      }
      case "handed-back": {
        const reason = event.reason === "stopping" ? "pausing" : event.reason;
        return void this.#apply({ ...event, reason, at_ms });
      }
      case "declined":
        return void this.#apply(event);
      case "closed":
        return void this.#apply({ ...event, at_ms });
      case "notice":
        return this.#notice(event.height, event.notice);
      case "recent":
        for (const { height, notice } of event.happened) this.#notice(height, notice);
        return;
      case "account":
        this.account = accountOf(event.account);
        return;
      default:
    }
  }

  #apply(event: HistoryEvent): boolean {
    const next = reduce(this.saved.history, event);
    const isNew = next !== this.saved.history;
    this.saved.setHistory(next);
    return isNew;
  }

  #notice(height: string, notice: Notice): void {
    const happening = happeningOf(notice);
    if (happening === null) return;
    const at_ms = this.wallMs();
    const event: HistoryEvent = { type: "notice", height, notice: happening, at_ms, day: dayOf(new Date(at_ms)) };
    if (this.#apply(event)) this.#tell(happening, at_ms);
  }

  #tell(happening: Happening, at_ms: number): void {
    if (happening.type === "penalised") {
      const message = `${amount(happening.amount).text} ZKPoW for task ${happening.task}. ${PENALTY[happening.reason]}`;
      return this.onNews({ kind: "penalties", title: "Penalty", message });
    }
    if (happening.type !== "rewarded") return;
    this.#untoldRewards += BigInt(happening.amount);
    if (at_ms < this.#rewardsToldMs + REWARD_NEWS_MS) return;
    const message = `${amount(this.#untoldRewards).text} ZKPoW earned.`;
    this.#untoldRewards = 0n;
    this.#rewardsToldMs = at_ms;
    this.onNews({ kind: "rewards", title: "Proof accepted", message });
  }
}

function happeningOf(notice: Notice): Happening | null {
  switch (notice.type) {
    case "proof-accepted":
    case "rewarded":
    case "refunded":
      return notice;
    case "penalised": {
      const { type, task, amount } = notice;
      return { type, task, amount, reason: notice.reason === "timeout" ? "timed-out" : "handed-back" };
    }
    default:
      return null;
  }
}

function drawOf(draw: NonNullable<Extract<CoreEvent, { type: "offered" }>["draw"]>) {
  const { beacon_height, ...rest } = draw;
  return { height: beacon_height, ...rest };
}

function accountOf(account: CoreAccount): Account {
  const { balance, bond, slots, consecutive_valid, next_slot_at, standing } = account;
  const holding = (BigInt(account.accrued) - BigInt(account.debt)).toString();
  return { holding, bond, balance, slots, consecutive_valid, next_slot_at, standing };
}
