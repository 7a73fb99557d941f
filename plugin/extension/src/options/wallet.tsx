/** The wallet: address, export, lock, import, delete. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Account, View } from "../messages";
import { useEngine } from "../ui/engine";
import { units } from "../ui/format";
import { Busy, CopyButton, Field, Form, Zkpow } from "../ui/parts";
import { NewWallet, refusal, Secret, Unlock } from "../ui/wallet-forms";
import { Section } from "./save";

type Open = "none" | "export" | "delete";

export function WalletSection(props: { wallet: View["wallet"]; account: Account | null }): JSX.Element {
  const { wallet } = props;
  const { send } = useEngine();
  const [open, setOpen] = useState<Open>("none");
  const [importing, setImporting] = useState(false);
  const close = (): void => setOpen("none");
  if (wallet.state === "none") {
    return (
      <Section id="wallet" title="Wallet" intro="There is no wallet in this browser. Rewards go to its address.">
        <NewWallet key={String(importing)} importing={importing} submit={importing ? "Import wallet" : "Create wallet"} onDone={close} />
        <button type="button" class="link" onClick={() => setImporting(!importing)}>{importing ? "Create a new key instead" : "Import a key instead"}</button>
      </Section>
    );
  }
  const toggle = (which: Open): void => setOpen(open === which ? "none" : which);
  return (
    <Section id="wallet" title="Wallet" intro="Rewards are paid to this address. It works in any Ethereum wallet that knows the chain.">
      {wallet.address !== null && (
        <p class="copy-row address"><code class="mono wrap" data-testid="address">{wallet.address}</code><CopyButton text={wallet.address} what="address" /></p>
      )}
      {wallet.state === "locked" && <Unlock />}
      <div class="buttons">
        {wallet.state === "unlocked" && <button type="button" class="button plain" onClick={() => void send({ type: "lock" })}>Lock</button>}
        <Opener which="export" open={open} toggle={toggle} label="Export key…" />
        <Opener which="delete" open={open} toggle={toggle} label="Delete wallet…" />
      </div>
      {open === "none" && <p class="hint">To use another key here, export this one, delete it, then import the other.</p>}
      {open === "export" && <Export />}
      {open === "delete" && <Delete account={props.account} onDone={close} />}
    </Section>
  );
}

function Opener(props: { which: Open; open: Open; toggle: (which: Open) => void; label: string }): JSX.Element {
  return (
    <button
      type="button"
      class={`button plain${props.which === "delete" ? " danger-text" : ""}`}
      aria-expanded={props.open === props.which}
      onClick={() => props.toggle(props.which)}
    >
      {props.label}
    </button>
  );
}

function Export(): JSX.Element {
  const { send } = useEngine();
  const [passphrase, setPassphrase] = useState("");
  const [secret, setSecret] = useState<string | null>(null);
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const submit = async (): Promise<void> => {
    if (passphrase === "") return setError("Enter your passphrase");
    setBusy(true);
    const outcome = await send({ type: "export-wallet", passphrase });
    setBusy(false);
    setPassphrase("");
    setError(outcome.ok ? null : refusal(outcome));
    if (outcome.ok) setSecret(outcome.secret);
  };
  if (secret !== null) return <Secret secret={secret} />;
  return (
    <div class="confirm">
      <Form busy={busy} onSubmit={() => void submit()} label="Export the key">
        <Field label="Passphrase, again" type="password" autocomplete="current-password" value={passphrase} onInput={setPassphrase} error={error} testid="export-passphrase" />
        <Busy busy={busy} label="Show the key" busyLabel="Decrypting…" />
      </Form>
    </div>
  );
}

/** What has to be typed before the wallet is deleted. */
const WORD = "delete";

function Delete(props: { account: Account | null; onDone: () => void }): JSX.Element {
  const { send } = useEngine();
  const [passphrase, setPassphrase] = useState("");
  const [word, setWord] = useState("");
  const [errors, setErrors] = useState<{ word: string | null; passphrase: string | null }>({ word: null, passphrase: null });
  const [busy, setBusy] = useState(false);
  const held = units(props.account?.balance ?? "0") + units(props.account?.holding ?? "0");
  const submit = async (): Promise<void> => {
    const typed = word.trim().toLowerCase() === WORD;
    const found = { word: typed ? null : `Type the word ${WORD}`, passphrase: passphrase === "" ? "Enter your passphrase" : null };
    setErrors(found);
    if (found.word !== null || found.passphrase !== null) return;
    setBusy(true);
    const outcome = await send({ type: "delete-wallet", passphrase });
    setBusy(false);
    if (outcome.ok) props.onDone();
    else setErrors({ word: null, passphrase: refusal(outcome) });
  };
  return (
    <div class="confirm">
      <p class="warning-text">
        The key is removed from this browser. Without a copy of it, what the address holds is lost for ever
        {held > 0n && <>: now <Zkpow value={held} plain /></>}.
      </p>
      <Form busy={busy} onSubmit={() => void submit()} label="Delete the wallet">
        <Field label={`Type “${WORD}” to confirm`} value={word} onInput={setWord} error={errors.word} testid="delete-word" />
        <Field label="Passphrase" type="password" autocomplete="current-password" value={passphrase} onInput={setPassphrase} error={errors.passphrase} testid="delete-passphrase" />
        <Busy busy={busy} kind="danger" label="Delete the wallet" busyLabel="Deleting…" testid="delete-wallet" />
      </Form>
    </div>
  );
}
