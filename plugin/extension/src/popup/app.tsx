/** The popup: which of its pages is shown. It holds no state of the plugin; all of that is in the engine's view. */
import { type JSX, render } from "preact";
import { useState } from "preact/hooks";
import { connectEngine, type Engine, EngineProvider, useEngine } from "../ui/engine";
import { Mark } from "../ui/icons";
import { stateOf } from "../ui/words";
import { FirstRun } from "./first-run";
import { Main } from "./main";

export function startPopup(): void {
  const root = document.getElementById("root");
  if (root === null) throw new Error("popup.html has no #root");
  connectEngine((engine) => render(<Popup engine={engine} />, root));
}

function Popup(props: { engine: Engine }): JSX.Element {
  return (
    <EngineProvider value={props.engine}>
      <Page />
    </EngineProvider>
  );
}

function Page(): JSX.Element {
  const { view, starting } = useEngine();
  // The first run goes on for two steps after the wallet exists.
  const [settingUp, setSettingUp] = useState(false);
  if (view === null) return <Skeleton starting={starting} />;
  // Not before the user begins: an engine that has just started may not have read its wallet yet.
  if (view.wallet.state === "none" || settingUp) {
    return <FirstRun onBegin={() => setSettingUp(true)} onDone={() => setSettingUp(false)} />;
  }
  return <Main view={view} />;
}

/** Shown until there is a view: it has the shape of what comes, so that nothing jumps. */
function Skeleton(props: { starting: boolean }): JSX.Element {
  const said = stateOf(null);
  return (
    <>
      <header class="bar">
        <Mark />
        <span class="brand">Crowdfold</span>
      </header>
      <main aria-busy="true">
        <section class="hero" role="status">
          <div>
            <h1 data-testid="state">{props.starting ? said.headline : "Crowdfold"}</h1>
            <p>{props.starting ? said.text : "\u00a0"}</p>
          </div>
        </section>
        <div class="card skeleton" aria-hidden="true"><i /><i /><i /></div>
        <div class="card skeleton" aria-hidden="true"><i /><i /></div>
      </main>
    </>
  );
}
