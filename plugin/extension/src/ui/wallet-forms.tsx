/** Making, importing and unlocking a wallet; used by the popup's first run and by the options. */
import type { JSX } from "preact";
import { useRef, useState } from "preact/hooks";
import { useEngine } from "./engine";
import { Busy, CopyButton, Field, Form } from "./parts";
import type { Outcome } from "./port";
import { checkPassphrase, checkSecret, strength } from "./validate";
import { troubleLine } from "./words";

/** The words of a refusal. */
export function refusal(outcome: Outcome & { ok: false }): string {
  return outcome.trouble === null ? outcome.message : troubleLine(outcome.trouble);
}

/** A new passphrase, typed twice; with `secret`, also the key to import. */
export function NewWallet(props: {
  importing: boolean;
  submit: string;
  /** Called with the passphrase once the wallet exists. */
  onDone: (passphrase: string) => void;
}): JSX.Element {
  const { send } = useEngine();
  const [secret, setSecret] = useState("");
  const [first, setFirst] = useState("");
  const [again, setAgain] = useState("");
  const [errors, setErrors] = useState<{ secret?: string | null; first?: string | null; again?: string | null }>({});
  const [failed, setFailed] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const refs = { secret: useRef<HTMLInputElement>(null), first: useRef<HTMLInputElement>(null), again: useRef<HTMLInputElement>(null) };

  const submit = async (): Promise<void> => {
    const key = checkSecret(secret);
    const found = { ...checkPassphrase(first, again), secret: props.importing && !key.ok ? key.error : null };
    setErrors(found);
    setFailed(null);
    if (found.secret !== null) return refs.secret.current?.focus();
    if (found.first !== null) return refs.first.current?.focus();
    if (found.again !== null) return refs.again.current?.focus();
    setBusy(true);
    const outcome = await send(
      props.importing && key.ok
        ? { type: "import-wallet", secret: key.value, passphrase: first }
        : { type: "create-wallet", passphrase: first },
    );
    setBusy(false);
    if (outcome.ok) return props.onDone(first);
    setFailed(refusal(outcome));
  };

  return (
    <Form busy={busy} onSubmit={() => void submit()}>
      {props.importing && (
        <Field
          label="Secret key"
          type="password"
          mono
          value={secret}
          onInput={setSecret}
          error={errors.secret ?? null}
          hint="64 hexadecimal digits. It stays in this browser, encrypted."
          inputRef={refs.secret}
          testid="secret"
        />
      )}
      <Field
        label="Passphrase"
        type="password"
        autocomplete="new-password"
        value={first}
        onInput={setFirst}
        error={errors.first ?? null}
        hint={<Strength passphrase={first} />}
        inputRef={refs.first}
        testid="passphrase"
      />
      <Field
        label="Passphrase again"
        type="password"
        autocomplete="new-password"
        value={again}
        onInput={setAgain}
        error={errors.again ?? null}
        inputRef={refs.again}
        testid="passphrase-again"
      />
      {failed !== null && <p class="error" role="alert">{failed}</p>}
      <Busy busy={busy} label={props.submit} busyLabel="Encrypting…" testid={props.importing ? "import-wallet" : "create-wallet"} />
    </Form>
  );
}

function Strength(props: { passphrase: string }): JSX.Element {
  if (props.passphrase === "") return <>Four or more random words make a good one. Nobody can reset it for you.</>;
  const { level, label } = strength(props.passphrase);
  return (
    <span class={`strength level-${level}`}>
      <span class="strength-bars" aria-hidden="true"><i /><i /><i /></span> {label}
    </span>
  );
}

/** Asks for the passphrase. */
export function Unlock(): JSX.Element {
  const { send } = useEngine();
  const [passphrase, setPassphrase] = useState("");
  const [error, setError] = useState<string | null>(null);
  const [busy, setBusy] = useState(false);
  const input = useRef<HTMLInputElement>(null);
  const submit = async (): Promise<void> => {
    if (passphrase === "") {
      setError("Enter your passphrase");
      return input.current?.focus();
    }
    setBusy(true);
    const outcome = await send({ type: "unlock", passphrase });
    setBusy(false);
    setError(outcome.ok ? null : refusal(outcome));
    if (!outcome.ok) input.current?.select();
  };
  return (
    <Form busy={busy} onSubmit={() => void submit()} label="Unlock the wallet">
      <Field
        label="Passphrase"
        type="password"
        autocomplete="current-password"
        value={passphrase}
        onInput={setPassphrase}
        error={error}
        inputRef={input}
        testid="passphrase"
      />
      <Busy busy={busy} label="Unlock" busyLabel="Unlocking…" testid="unlock" />
    </Form>
  );
}

/** Shows the secret key, hidden until asked for. */
export function Secret(props: { secret: string }): JSX.Element {
  const [shown, setShown] = useState(false);
  return (
    <div class="secret">
      <p class="warning-text">Whoever has this key has your tokens. Show it to nobody, and keep it offline.</p>
      <div class="secret-row">
        <code class={shown ? "mono" : "mono masked"} data-testid="secret-value">
          {shown ? props.secret : "•".repeat(32)}
        </code>
        <CopyButton text={props.secret} what="secret key" />
      </div>
      <button type="button" class="button plain small" aria-pressed={shown} onClick={() => setShown(!shown)}>
        {shown ? "Hide" : "Show"}
      </button>
    </div>
  );
}
