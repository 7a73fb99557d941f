/** Parts that popup and options share: fields, buttons, amounts, copying. */
import type { ComponentChildren, JSX, RefObject } from "preact";
import { useEffect, useId, useRef, useState } from "preact/hooks";
import { amount } from "./format";
import { Check, Copy as CopyIcon } from "./icons";

/** An amount in ZKPoW: short to read, every digit in the title; `bare` where the unit stands beside it already. */
export function Zkpow(props: { value: string | bigint; signed?: boolean; plain?: boolean; bare?: boolean; testid?: string }): JSX.Element {
  const shown = amount(props.value, props.signed === true ? { signed: true } : {});
  const tone = props.plain === true ? "" : shown.sign < 0 ? " negative" : props.signed === true && shown.sign > 0 ? " positive" : "";
  return (
    <span class={"amount" + tone} title={shown.exact} data-testid={props.testid}>
      {shown.text}{props.bare === true ? null : <span class="unit"> ZKPoW</span>}
    </span>
  );
}

/** A text field with its label, hint and error, tied together for screen readers. */
export function Field(props: {
  label: string;
  value: string;
  onInput: (value: string) => void;
  onCommit?: () => void;
  type?: "text" | "password" | "number";
  hint?: ComponentChildren;
  error?: string | null;
  unit?: string;
  autocomplete?: string;
  testid?: string;
  inputRef?: RefObject<HTMLInputElement>;
  min?: number;
  max?: number;
  mono?: boolean;
  disabled?: boolean;
}): JSX.Element {
  const id = useId();
  const error = props.error ?? null;
  const described = [props.hint !== undefined ? `${id}-hint` : "", error !== null ? `${id}-error` : ""].filter(Boolean).join(" ");
  return (
    <div class="field">
      <label for={id}>{props.label}</label>
      <div class="input-row">
        <input
          id={id}
          ref={props.inputRef ?? null}
          class={props.mono === true ? "mono" : undefined}
          type={props.type ?? "text"}
          value={props.value}
          min={props.min}
          max={props.max}
          disabled={props.disabled}
          spellcheck={false}
          autocapitalize="off"
          autocomplete={props.autocomplete ?? "off"}
          aria-invalid={error !== null ? "true" : undefined}
          aria-describedby={described === "" ? undefined : described}
          data-testid={props.testid}
          onInput={(event) => props.onInput(event.currentTarget.value)}
          onChange={props.onCommit}
        />
        {props.unit !== undefined && <span class="input-unit">{props.unit}</span>}
      </div>
      {props.hint !== undefined && <p id={`${id}-hint`} class="hint">{props.hint}</p>}
      {error !== null && <p id={`${id}-error`} class="error" role="alert">{error}</p>}
    </div>
  );
}

/** A choice that shows at once and goes back when it is not taken. */
export function useChoice<T>(value: T, save: (value: T) => Promise<boolean>): [T, (value: T) => void] {
  const [shown, setShown] = useState(value);
  useEffect(() => setShown(value), [value]);
  const choose = (next: T): void => {
    setShown(next);
    void save(next).then((taken) => {
      if (!taken) setShown(value);
    });
  };
  return [shown, choose];
}

/** A switch with its explanation; `onChange` says whether the choice was taken. */
export function Toggle(props: { label: string; hint?: string; on: boolean; onChange: (on: boolean) => Promise<boolean> }): JSX.Element {
  const id = useId();
  const [on, choose] = useChoice(props.on, props.onChange);
  return (
    <div class="toggle">
      <input
        id={id}
        type="checkbox"
        role="switch"
        checked={on}
        aria-describedby={props.hint !== undefined ? `${id}-hint` : undefined}
        onChange={(event) => choose(event.currentTarget.checked)}
      />
      <label for={id}>{props.label}</label>
      {props.hint !== undefined && <p id={`${id}-hint`} class="hint">{props.hint}</p>}
    </div>
  );
}

/** Copies a text and says so for two seconds. */
export function CopyButton(props: { text: string; what: string }): JSX.Element {
  const [copied, setCopied] = useState<boolean | null>(null);
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  const copy = async (): Promise<void> => {
    const worked = await navigator.clipboard.writeText(props.text).then(() => true, () => false);
    setCopied(worked);
    clearTimeout(timer.current);
    timer.current = setTimeout(() => setCopied(null), 2_000);
  };
  return (
    <button type="button" class="copy" title={`Copy ${props.what}`} onClick={() => void copy()}>
      {copied === true ? <Check /> : <CopyIcon />}
      <span class="visually-hidden">{`Copy ${props.what}`}</span>
      <span class="copy-said" role="status">{copied === null ? "" : copied ? "Copied" : "Not copied: select it by hand"}</span>
    </button>
  );
}

/** A button that shows that it is at work and cannot be pressed twice. */
export function Busy(props: {
  busy: boolean;
  label: string;
  busyLabel: string;
  kind?: "primary" | "danger" | "plain";
  testid?: string;
  disabled?: boolean;
}): JSX.Element {
  return (
    <button
      type="submit"
      class={`button ${props.kind ?? "primary"}`}
      aria-disabled={props.busy || props.disabled === true ? "true" : undefined}
      data-testid={props.testid}
    >
      {props.busy ? props.busyLabel : props.label}
    </button>
  );
}

/** A form whose submission runs `onSubmit` once at a time. */
export function Form(props: {
  children: ComponentChildren;
  busy: boolean;
  onSubmit: () => void;
  label?: string;
}): JSX.Element {
  return (
    <form
      class="form"
      noValidate
      aria-label={props.label}
      onSubmit={(event) => {
        event.preventDefault();
        if (!props.busy) props.onSubmit();
      }}
    >
      {props.children}
    </form>
  );
}

/** Moves the focus to a heading when a page of a flow appears, so that it is read and the tab order starts there. */
export function useFocusOnMount<T extends HTMLElement>(): RefObject<T> {
  const ref = useRef<T>(null);
  useEffect(() => ref.current?.focus(), []);
  return ref;
}
