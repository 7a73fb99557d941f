/** Clearing what this browser remembers of past jobs. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import { useEngine } from "../ui/engine";
import { count } from "../ui/format";
import { refusal } from "../ui/wallet-forms";
import { type Saved, Section } from "./save";

export function HistorySection(props: { jobs: number }): JSX.Element {
  const { send } = useEngine();
  const [asking, setAsking] = useState(false);
  const [saved, setSaved] = useState<Saved>({ state: "rest" });
  const clear = async (): Promise<void> => {
    setSaved({ state: "saving" });
    const outcome = await send({ type: "clear-history" });
    setSaved(outcome.ok ? { state: "saved" } : { state: "failed", message: refusal(outcome) });
    setAsking(false);
  };
  const jobs = props.jobs === 1 ? "1 job" : `${count(props.jobs)} jobs`;
  return (
    <Section id="history" title="History" saved={saved} intro="Jobs, receipts and daily earnings are kept in this browser only. Clearing them changes nothing on the chain.">
      {asking ? (
        <div class="confirm">
          <p>Receipts are your evidence if a node denies that it took a proof. They cannot be brought back.</p>
          <button type="button" class="button danger small" onClick={() => void clear()}>Clear {jobs}</button>
          <button type="button" class="button plain small" onClick={() => setAsking(false)}>Keep them</button>
        </div>
      ) : (
        <button type="button" class="button plain" aria-disabled={props.jobs === 0 ? "true" : undefined} onClick={() => props.jobs > 0 && setAsking(true)}>
          {props.jobs === 0 ? "Nothing to clear" : "Clear history…"}
        </button>
      )}
    </Section>
  );
}
