/** The options page. Every change is saved at once and said so; a value that cannot be used stays in its field with the reason. */
import { type JSX, render } from "preact";
import { useEffect } from "preact/hooks";
import { connectEngine, type Engine, EngineProvider, useEngine } from "../ui/engine";
import { Mark } from "../ui/icons";
import { stateOf } from "../ui/words";
import { About } from "./about";
import { HistorySection } from "./history";
import { Hours } from "./hours";
import { Limits } from "./limits";
import { Nodes } from "./nodes";
import { Notifications } from "./notifications";
import { WalletSection } from "./wallet";

export function startOptions(): void {
  const root = document.getElementById("root");
  if (root === null) throw new Error("options.html has no #root");
  connectEngine((engine) => render(<Options engine={engine} />, root));
}

function Options(props: { engine: Engine }): JSX.Element {
  return (
    <EngineProvider value={props.engine}>
      <Page />
    </EngineProvider>
  );
}

const SECTIONS = [
  ["nodes", "Nodes"],
  ["limits", "Limits"],
  ["hours", "Hours"],
  ["notifications", "Notifications"],
  ["wallet", "Wallet"],
  ["history", "History"],
  ["about", "About"],
] as const;

function Page(): JSX.Element {
  const { view, starting } = useEngine();
  const ready = view !== null;
  // The sections exist only once there is a view, so the address' fragment has to be followed then.
  useEffect(() => {
    if (ready && location.hash !== "") document.getElementById(location.hash.slice(1))?.scrollIntoView();
  }, [ready]);
  return (
    <div class="page">
      <header class="page-head">
        <Mark />
        <h1>Crowdfold options</h1>
        <p role="status" class="muted" data-testid="state">{starting || view === null ? stateOf(null).text : ""}</p>
      </header>
      <nav aria-label="Sections">
        <ul>{SECTIONS.map(([id, name]) => <li key={id}><a href={`#${id}`}>{name}</a></li>)}</ul>
      </nav>
      <main aria-busy={view === null}>
        {view !== null && (
          <>
            <Nodes settings={view.settings} connection={view.connection} />
            <Limits view={view} />
            <Hours settings={view.settings} />
            <Notifications settings={view.settings} />
            <WalletSection wallet={view.wallet} account={view.account} />
            <HistorySection jobs={view.jobs.length} />
            <About chain={view.chain} />
          </>
        )}
      </main>
    </div>
  );
}
