/** A clear error: what happened, what it means for the money, what helps. */
import type { JSX } from "preact";
import type { Trouble } from "../messages";
import { useEngine } from "../ui/engine";
import { ago } from "../ui/format";
import { Cross, Warning } from "../ui/icons";
import { OPTIONS_LINK } from "../ui/links";
import { TROUBLE } from "../ui/words";

export function TroubleCard(props: { trouble: Trouble; now_ms: number }): JSX.Element {
  const { send } = useEngine();
  const { trouble } = props;
  const words = TROUBLE[trouble.code];
  const link = words.action === null ? undefined : OPTIONS_LINK[words.action.does];
  return (
    <section class="card trouble" aria-labelledby="trouble-title" data-testid="trouble" data-code={trouble.code}>
      <div class="card-head">
        <Warning />
        <h2 id="trouble-title">{words.title}</h2>
        <button type="button" class="icon-button" title="Dismiss" onClick={() => void send({ type: "dismiss-trouble" })}>
          <Cross />
          <span class="visually-hidden">Dismiss</span>
        </button>
      </div>
      <p role="alert">{words.text}</p>
      <p><b>Your money:</b> {words.money}</p>
      <p><b>What to do:</b> {words.help}</p>
      {link !== undefined && <a class="button plain small" href={link} target="_blank" rel="noopener">{words.action?.label}</a>}
      <details class="explain">
        <summary>Details</summary>
        <p class="mono wrap">{trouble.code}: {trouble.detail}</p>
        <p class="hint">{ago(trouble.at_ms, props.now_ms)}</p>
      </details>
    </section>
  );
}
