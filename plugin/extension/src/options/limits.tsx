/** How much of the computer proving may take. */
import type { JSX } from "preact";
import { useEffect, useState } from "preact/hooks";
import { DATA_MB, MEMORY_MB } from "../bounds";
import type { View } from "../messages";
import { bytes, measured } from "../ui/format";
import { Field, Toggle } from "../ui/parts";
import { type Checked, checkNumber } from "../ui/validate";
import { Section, useSaver } from "./save";

export function Limits(props: { view: View }): JSX.Element {
  const { settings, hardware_threads: most, memory_bytes: used, ms_per_segment: speed } = props.view;
  const { saved, save } = useSaver();
  const now = [
    speed !== null ? `now ${measured(speed)} per segment` : "",
    used !== null ? `${bytes(used)} of memory` : "",
  ].filter(Boolean).join(", ");
  return (
    <Section
      id="limits"
      title="Limits"
      saved={saved}
      intro={`More threads make proofs faster and the computer busier. Tasks that would not be done in time are not begun${now === "" ? "." : ` (${now}).`}`}
    >
      <Numeric
        label="Threads"
        unit={`of ${most}`}
        value={settings.threads}
        min={1}
        max={most}
        check={(text) => checkNumber(text, 1, most, most === 1 ? "thread" : "threads")}
        onSave={(threads) => save({ threads })}
      />
      <Numeric
        label="Memory"
        unit="MB"
        value={settings.memory_mb}
        min={MEMORY_MB.min}
        max={MEMORY_MB.max}
        hint="A simple transfer needs about 1000 MB with two threads."
        check={(text) => checkNumber(text, MEMORY_MB.min, MEMORY_MB.max, "MB")}
        onSave={(memory_mb) => save({ memory_mb })}
      />
      <Data value={settings.data_mb_per_day} onSave={(data_mb_per_day) => save({ data_mb_per_day })} />
      <Toggle label="Prove on battery" hint="Off: waits for mains power." on={settings.on_battery} onChange={(on_battery) => save({ on_battery })} />
      <Toggle
        label="Prove while I use the computer"
        hint="Off: begins when keyboard and mouse have rested for a minute."
        on={settings.while_in_use}
        onChange={(while_in_use) => save({ while_in_use })}
      />
    </Section>
  );
}

/** A number that is saved when the field is left or Enter is pressed, if it can be used. */
function Numeric(props: {
  label: string;
  unit: string;
  value: number;
  min: number;
  max: number;
  hint?: string;
  check: (text: string) => Checked<number>;
  onSave: (value: number) => Promise<boolean>;
}): JSX.Element {
  const [text, setText] = useState(String(props.value));
  const [error, setError] = useState<string | null>(null);
  // A change from elsewhere replaces what is in the field.
  useEffect(() => setText(String(props.value)), [props.value]);
  const commit = (): void => {
    const checked = props.check(text);
    setError(checked.ok ? null : checked.error);
    if (checked.ok && checked.value !== props.value) void props.onSave(checked.value);
  };
  return (
    <Field
      label={props.label}
      type="number"
      unit={props.unit}
      value={text}
      min={props.min}
      max={props.max}
      onInput={setText}
      onCommit={commit}
      error={error}
      {...(props.hint === undefined ? {} : { hint: props.hint })}
    />
  );
}

function Data(props: { value: number | null; onSave: (value: number | null) => Promise<boolean> }): JSX.Element {
  const limited = props.value !== null;
  return (
    <>
      <Toggle
        label="Limit the data per day"
        hint="A transfer’s proof sends a few megabytes; the keys, fetched once, about 17 MB."
        on={limited}
        onChange={(on) => props.onSave(on ? 500 : null)}
      />
      {props.value !== null && (
        <div class="nested">
          <Numeric
            label="Data per day"
            unit="MB"
            value={props.value}
            min={DATA_MB.min}
            max={DATA_MB.max}
            check={(text) => checkNumber(text, DATA_MB.min, DATA_MB.max, "MB")}
            onSave={props.onSave}
          />
        </div>
      )}
    </>
  );
}
