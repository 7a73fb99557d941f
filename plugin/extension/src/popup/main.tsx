/** The popup's main page: what happens now, what it earns, what happened before. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import type { View } from "../messages";
import { Earnings } from "../ui/chart";
import { useEngine, useNow } from "../ui/engine";
import { count, duration, hostOf, shortHex } from "../ui/format";
import { Gear, Lock, Mark, Pause, Play } from "../ui/icons";
import { OPTIONS_LINK } from "../ui/links";
import { refusal, Unlock } from "../ui/wallet-forms";
import { type Said, stateOf } from "../ui/words";
import { Money, Periods } from "./money";
import { Jobs } from "./jobs";
import { Proof } from "./proof";
import { TroubleCard } from "./trouble";

export function Main(props: { view: View }): JSX.Element {
  const { view } = props;
  const { starting } = useEngine();
  const now_ms = useNow();
  const debt = useRef<HTMLDetailsElement>(null);
  const said = starting ? stateOf(null) : stateOf(view);
  const showRepay = (): void => {
    if (debt.current === null) return;
    debt.current.open = true;
    debt.current.querySelector("summary")?.focus();
    debt.current.scrollIntoView({ block: "center" });
  };
  return (
    <>
      <Head view={view} />
      <main class={starting ? "stale" : ""}>
        {view.trouble !== null && <TroubleCard trouble={view.trouble} now_ms={now_ms} />}
        <section class="hero" aria-label="State">
          <div role="status">
            <h1 data-testid="state" class={`tone-${tone(view, starting)}`}>{said.headline}</h1>
            <p>{said.text}</p>
          </div>
          {!starting && view.wallet.state === "locked" ? <Unlock /> : <Act said={said} onRepay={showRepay} />}
          {view.idle === "loading-keys" && !starting && <Keys keys={view.keys} />}
          <Where view={view} now_ms={now_ms} />
        </section>
        {view.running !== null && <Proof running={view.running} />}
        {view.account !== null && <Money account={view.account} debtRef={debt} />}
        <Periods view={view} />
        <Earnings days={view.days} now_ms={now_ms} />
        <Jobs jobs={view.jobs} now_ms={now_ms} />
      </main>
      <Foot view={view} />
    </>
  );
}

function tone(view: View, starting: boolean): "busy" | "ok" | "idle" | "bad" {
  if (starting) return "idle";
  if (view.running !== null) return "busy";
  if (view.idle === "suspended" || view.idle === "fault" || view.idle === "no-node") return "bad";
  return view.idle === null || view.idle === "waiting-for-work" ? "ok" : "idle";
}

const ONLINE: Record<View["connection"]["state"], string> = {
  off: "Offline",
  waiting: "Offline",
  connecting: "Connecting",
  online: "Online",
};

function Head(props: { view: View }): JSX.Element {
  const state = props.view.connection.state;
  return (
    <header class="bar">
      <Mark />
      <span class="brand">Crowdfold</span>
      <span class={`online is-${state}`} data-testid="connection">{ONLINE[state]}</span>
      <a class="icon-button" href="options.html" target="_blank" rel="noopener" title="Options">
        <Gear />
        <span class="visually-hidden">Options</span>
      </a>
    </header>
  );
}

/** What helps in this state. Resuming, unlocking and making a wallet have their own places. */
function Act(props: { said: Said; onRepay: () => void }): JSX.Element | null {
  const { action } = props.said;
  if (action === null) return null;
  const link = OPTIONS_LINK[action.does];
  if (link !== undefined) return <a class="button plain small" href={link} target="_blank" rel="noopener">{action.label}</a>;
  if (action.does !== "show-repay") return null;
  return <button type="button" class="button plain small" onClick={props.onRepay}>{action.label}</button>;
}

const KEYS: Record<View["keys"]["state"], string> = {
  none: "Waiting for the node",
  fetching: "Fetching the proving keys",
  checking: "Checking them against the genesis",
  preparing: "Preparing the prover",
  ready: "Ready",
};

function Keys(props: { keys: View["keys"] }): JSX.Element {
  const { state, permille } = props.keys;
  return (
    <div class="keys">
      <p id="keys-label">{KEYS[state]}</p>
      <div class="progress" role="progressbar" aria-labelledby="keys-label" aria-valuemin={0} aria-valuemax={100} aria-valuenow={Math.floor(permille / 10)}>
        <span style={{ width: `${permille / 10}%` }} />
      </div>
    </div>
  );
}

/** Node and chain in one line; hidden while there is nothing to say. */
function Where(props: { view: View; now_ms: number }): JSX.Element | null {
  const { connection, chain } = props.view;
  if (connection.node === null && chain === null) return null;
  const wait = connection.retry_at_ms === null ? null : connection.retry_at_ms - props.now_ms;
  return (
    <dl class="where">
      {connection.node !== null && (
        <div>
          <dt>Node</dt>
          <dd title={connection.node}>{hostOf(connection.node)}</dd>
        </div>
      )}
      {chain !== null && (
        <div>
          <dt>Chain</dt>
          <dd title={`genesis ${chain.genesis}`}>{chain.id} · {shortHex(chain.genesis)}</dd>
        </div>
      )}
      {chain !== null && connection.state === "online" && (
        <div>
          <dt>Block</dt>
          <dd>{count(chain.height)}</dd>
        </div>
      )}
      {wait !== null && wait > 0 && connection.state !== "online" && (
        <div>
          <dt>Next try</dt>
          <dd>in {duration(wait)}</dd>
        </div>
      )}
    </dl>
  );
}

function Foot(props: { view: View }): JSX.Element | null {
  const { send } = useEngine();
  const [error, setError] = useState<string | null>(null);
  const { view } = props;
  if (view.wallet.state !== "unlocked") return null;
  const run = async (type: "pause" | "resume" | "lock"): Promise<void> => {
    const outcome = await send({ type });
    setError(outcome.ok ? null : refusal(outcome));
  };
  return (
    <footer class="foot">
      {error !== null && <p class="error" role="alert">{error}</p>}
      {view.paused
        ? <button type="button" class="button primary" data-testid="resume" onClick={() => void run("resume")}><Play /> Resume</button>
        : <button type="button" class="button plain" data-testid="pause" onClick={() => void run("pause")}><Pause /> Pause</button>}
      <button type="button" class="button plain narrow" data-testid="lock" onClick={() => void run("lock")}><Lock /> Lock</button>
    </footer>
  );
}
