/** The engine as a page sees it: the newest view, whether it is live, and commands. */
import { createContext } from "preact";
import { useContext, useEffect, useState } from "preact/hooks";
import type { Command, Settings, View } from "../messages";
import { recallView, viewKeeper } from "./last-view";
import { EnginePort, type Outcome, STARTING } from "./port";

/** A break shorter than this is not worth a word. */
const PATIENCE_MS = 500;

export interface Engine {
  /** The newest view, or what is remembered of it. Null before there was any. */
  view: View | null;
  /** The engine does not answer, and has not for a moment: the view may no longer be true. */
  starting: boolean;
  send: (command: Command) => Promise<Outcome>;
  /** Changes some settings; changes that follow each other quickly build on one another. */
  set: (change: Partial<Settings>) => Promise<Outcome>;
}

const Context = createContext<Engine | null>(null);
export const EngineProvider = Context.Provider;

export function useEngine(): Engine {
  const engine = useContext(Context);
  if (engine === null) throw new Error("a component is outside of EngineProvider");
  return engine;
}

/** Calls `render` for every change: first with what is remembered, then with what the engine says. */
export function connectEngine(render: (engine: Engine) => void): void {
  let view: View | null = null;
  let starting = false;
  let patience: ReturnType<typeof setTimeout> | undefined;
  const keep = viewKeeper();
  // What has been asked for and is not yet in a view.
  let wanted: Settings | null = null;
  let asking = 0;
  const wait = (): void => {
    patience ??= setTimeout(() => {
      starting = true;
      paint();
    }, PATIENCE_MS);
  };
  const port = new EnginePort((next) => {
    if (next === null) return wait();
    clearTimeout(patience);
    patience = undefined;
    starting = false;
    if (asking === 0) wanted = null;
    view = next;
    keep(next);
    paint();
  });
  const send = (command: Command): Promise<Outcome> => port.send(command);
  const set = async (change: Partial<Settings>): Promise<Outcome> => {
    const base = wanted ?? view?.settings;
    if (base === undefined) return STARTING;
    wanted = { ...base, ...change };
    asking += 1;
    const outcome = await send({ type: "set", settings: wanted });
    asking -= 1;
    if (!outcome.ok) wanted = null;
    return outcome;
  };
  const paint = (): void => render({ view, starting, send, set });
  wait();
  paint();
  void recallView().then((kept) => {
    if (view !== null || kept === null) return;
    view = kept;
    paint();
  });
}

/** The time, renewed every second; for "2 minutes ago" and countdowns between two views. */
export function useNow(every_ms = 1_000): number {
  const [now, set] = useState(Date.now);
  useEffect(() => {
    const timer = setInterval(() => set(Date.now()), every_ms);
    return () => clearInterval(timer);
  }, [every_ms]);
  return now;
}
