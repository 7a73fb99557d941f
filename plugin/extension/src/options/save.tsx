/** Saving one change of the settings, with a word beside the control that caused it. */
import type { ComponentChildren, JSX } from "preact";
import { useEffect, useRef, useState } from "preact/hooks";
import type { Settings } from "../messages";
import { useEngine } from "../ui/engine";
import { Check } from "../ui/icons";
import { refusal } from "../ui/wallet-forms";

export type Saved = { state: "rest" } | { state: "saving" } | { state: "saved" } | { state: "failed"; message: string };

export interface Saver {
  saved: Saved;
  /** Saves the present settings with `change`; resolves to whether they were taken. */
  save: (change: Partial<Settings>) => Promise<boolean>;
}

const SAID_MS = 2_500;

export function useSaver(): Saver {
  const { set } = useEngine();
  const [saved, setSaved] = useState<Saved>({ state: "rest" });
  const timer = useRef<ReturnType<typeof setTimeout>>();
  useEffect(() => () => clearTimeout(timer.current), []);
  const save = async (change: Partial<Settings>): Promise<boolean> => {
    clearTimeout(timer.current);
    setSaved({ state: "saving" });
    const outcome = await set(change);
    if (!outcome.ok) {
      setSaved({ state: "failed", message: refusal(outcome) });
      return false;
    }
    setSaved({ state: "saved" });
    timer.current = setTimeout(() => setSaved({ state: "rest" }), SAID_MS);
    return true;
  };
  return { saved, save };
}

/** What the last save of this section came to. */
export function SavedNote(props: { saved: Saved }): JSX.Element {
  const { saved } = props;
  return (
    <span class={`saved is-${saved.state}`} role="status" data-testid="saved">
      {saved.state === "saved" && <><Check /> Saved</>}
      {saved.state === "saving" && "Saving…"}
      {saved.state === "failed" && saved.message}
    </span>
  );
}

/** A section of the options with its heading and the note of its last save. */
export function Section(props: { id: string; title: string; saved?: Saved; intro?: string; children: ComponentChildren }): JSX.Element {
  return (
    <section id={props.id} class="card" aria-labelledby={`${props.id}-title`}>
      <div class="card-head">
        <h2 id={`${props.id}-title`}>{props.title}</h2>
        {props.saved !== undefined && <SavedNote saved={props.saved} />}
      </div>
      {props.intro !== undefined && <p class="intro">{props.intro}</p>}
      {props.children}
    </section>
  );
}
