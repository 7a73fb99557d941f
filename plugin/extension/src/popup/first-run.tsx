/** The first run: welcome, wallet, backup, node. Each step is a page with a heading that takes the focus. */
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import { useEngine } from "../ui/engine";
import { Left, Mark } from "../ui/icons";
import { Busy, Field, Form, useFocusOnMount } from "../ui/parts";
import { checkNode, DEFAULT_NODE } from "../ui/validate";
import { NewWallet, refusal, Secret } from "../ui/wallet-forms";

type Step = { at: "welcome" } | { at: "create" } | { at: "import" } | { at: "backup"; passphrase: string } | { at: "node" };

export function FirstRun(props: { onBegin: () => void; onDone: () => void }): JSX.Element {
  const [step, setStep] = useState<Step>({ at: "welcome" });
  const welcome = (): void => setStep({ at: "welcome" });
  const begin = (at: "create" | "import"): void => {
    props.onBegin();
    setStep({ at });
  };
  switch (step.at) {
    case "welcome":
      return <Welcome onCreate={() => begin("create")} onImport={() => begin("import")} />;
    case "create":
      return (
        <StepPage number={1} title="Choose a passphrase" onBack={welcome}>
          <p>A new key is made in this browser. The passphrase encrypts it on disk; you enter it once after each start of the browser.</p>
          <NewWallet importing={false} submit="Create wallet" onDone={(passphrase) => setStep({ at: "backup", passphrase })} />
        </StepPage>
      );
    case "import":
      return (
        <StepPage number={1} title="Import a wallet" onBack={welcome}>
          <NewWallet importing submit="Import wallet" onDone={() => setStep({ at: "node" })} />
        </StepPage>
      );
    case "backup":
      return <Backup passphrase={step.passphrase} onDone={() => setStep({ at: "node" })} />;
    case "node":
      return <NodeStep onDone={props.onDone} />;
  }
}

function Welcome(props: { onCreate: () => void; onImport: () => void }): JSX.Element {
  return (
    <main class="welcome">
      <Mark />
      <h1>Earn by proving</h1>
      <p class="lead">Crowdfold is a blockchain whose transactions are proven by its users. This extension does a share of that work in the background and earns ZKPoW for it.</p>
      <ul class="points">
        <li><b>You stay in charge.</b> Limit threads, memory, hours and data; pause at any time.</li>
        <li><b>Your key stays here.</b> It is made in this browser, encrypted with your passphrase, and signs only proofs and heartbeats.</li>
        <li><b>Fair both ways.</b> A valid proof is paid. A task that is taken and missed costs a penalty, which can put you in debt to the chain.</li>
      </ul>
      <div class="stack">
        <button type="button" class="button primary" data-testid="get-started" onClick={props.onCreate}>Get started</button>
        <button type="button" class="button plain" data-testid="have-key" onClick={props.onImport}>I have a key already</button>
      </div>
      <p class="hint">
        Popups close when you click elsewhere. <a href="popup.html" target="_blank" rel="noopener">Set up in a tab instead</a>
      </p>
    </main>
  );
}

function StepPage(props: { number: 1 | 2 | 3; title: string; onBack?: () => void; children: ComponentChildren }): JSX.Element {
  const heading = useFocusOnMount<HTMLHeadingElement>();
  return (
    <>
      <header class="bar">
        {props.onBack === undefined ? <Mark /> : (
          <button type="button" class="icon-button" title="Back" onClick={props.onBack}>
            <Left />
            <span class="visually-hidden">Back</span>
          </button>
        )}
        <span class="brand">Step {props.number} of 3</span>
        <span class="dots" aria-hidden="true">{[1, 2, 3].map((dot) => <i key={dot} class={dot <= props.number ? "on" : ""} />)}</span>
      </header>
      <main class="step">
        <h1 ref={heading} tabIndex={-1}>{props.title}</h1>
        {props.children}
      </main>
    </>
  );
}

function Backup(props: { passphrase: string; onDone: () => void }): JSX.Element {
  const { send, view } = useEngine();
  const [secret, setSecret] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const reveal = async (): Promise<void> => {
    const outcome = await send({ type: "export-wallet", passphrase: props.passphrase });
    if (outcome.ok) setSecret(outcome.secret);
    else setError(refusal(outcome));
  };
  return (
    <StepPage number={2} title="Keep a copy of your key">
      <p>Your wallet is ready. If this browser’s data is deleted, only a copy of the secret key brings it back. Write it down or keep it in a password manager; the options can show it later too.</p>
      {view?.wallet.address != null && <p class="address-line"><span class="hint">Your address</span><code class="mono wrap">{view.wallet.address}</code></p>}
      {secret === null
        ? <button type="button" class="button plain" onClick={() => void reveal()}>Show the secret key</button>
        : <Secret secret={secret} />}
      {error !== null && <p class="error" role="alert">{error}</p>}
      <button type="button" class="button primary" onClick={props.onDone}>Continue</button>
    </StepPage>
  );
}

function NodeStep(props: { onDone: () => void }): JSX.Element {
  const { set, view } = useEngine();
  const [url, setUrl] = useState(view?.settings.nodes[0] ?? DEFAULT_NODE);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    const checked = checkNode(url);
    if (!checked.ok) return setError(checked.error);
    setBusy(true);
    const others = (view?.settings.nodes ?? []).slice(1).filter((node) => node !== checked.value);
    const outcome = await set({ nodes: [checked.value, ...others] });
    setBusy(false);
    if (outcome.ok) props.onDone();
    else setError(refusal(outcome));
  };
  return (
    <StepPage number={3} title="Choose a node">
      <p>The node gives out the work and takes the proofs. Run your own, or use one that somebody offers; it never sees your key.</p>
      <Form busy={busy} onSubmit={() => void submit()}>
        <Field
          label="Node address"
          mono
          value={url}
          onInput={setUrl}
          error={error}
          hint="This is the address of a node on this computer."
          testid="node-url"
        />
        <Busy busy={busy} label="Start proving" busyLabel="Saving…" testid="save" />
      </Form>
    </StepPage>
  );
}
