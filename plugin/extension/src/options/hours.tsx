/** The hours of the day in which proving is allowed. */
import type { JSX } from "preact";
import { useId, useState } from "preact/hooks";
import type { Settings } from "../messages";
import { checkHours } from "../ui/validate";
import { Toggle, useChoice } from "../ui/parts";
import { Section, useSaver } from "./save";

/** Nights, when most computers have nothing else to do. */
const NIGHT = { from: 22, to: 7 };

export function Hours(props: { settings: Settings }): JSX.Element {
  const { hours } = props.settings;
  const { saved, save } = useSaver();
  return (
    <Section id="hours" title="Hours" saved={saved}>
      <Toggle
        label="Only at certain hours"
        hint="In this computer’s time zone. A proof that has begun is finished."
        on={hours !== null}
        onChange={(on) => save({ hours: on ? NIGHT : null })}
      />
      {hours !== null && <Range hours={hours} onSave={(next) => save({ hours: next })} />}
    </Section>
  );
}

type Span = NonNullable<Settings["hours"]>;

function Range(props: { hours: Span; onSave: (hours: Span) => Promise<boolean> }): JSX.Element {
  const id = useId();
  const [hours, choose] = useChoice(props.hours, props.onSave);
  const [error, setError] = useState<string | null>(null);
  const change = (from: number, to: number): void => {
    const checked = checkHours(from, to);
    setError(checked.ok ? null : checked.error);
    if (checked.ok) choose(checked.value);
  };
  const { from, to } = hours;
  return (
    <div class="nested hours">
      <label for={`${id}-from`}>From</label>
      <Select id={`${id}-from`} value={from} error={error === null ? null : `${id}-error`} onChange={(hour) => change(hour, to)} />
      <label for={`${id}-to`}>to</label>
      <Select id={`${id}-to`} value={to} error={error === null ? null : `${id}-error`} onChange={(hour) => change(from, hour)} />
      <span class="hint">{from > to ? "over midnight" : ""}</span>
      {error !== null && <p class="error" id={`${id}-error`} role="alert">{error}</p>}
      <Day from={from} to={to} />
    </div>
  );
}

function Select(props: { id: string; value: number; error: string | null; onChange: (hour: number) => void }): JSX.Element {
  const name = new Intl.DateTimeFormat(undefined, { hour: "numeric", minute: "2-digit" });
  return (
    <select
      id={props.id}
      value={props.value}
      aria-invalid={props.error !== null ? "true" : undefined}
      aria-describedby={props.error ?? undefined}
      onChange={(event) => props.onChange(Number(event.currentTarget.value))}
    >
      {Array.from({ length: 24 }, (_, hour) => (
        <option key={hour} value={hour}>{name.format(new Date(2024, 0, 1, hour))}</option>
      ))}
    </select>
  );
}

/** The day as a strip of 24 hours; the text above says the same. */
function Day(props: { from: number; to: number }): JSX.Element {
  const { from, to } = props;
  const allowed = (hour: number): boolean => (from < to ? hour >= from && hour < to : hour >= from || hour < to);
  return (
    <div class="day-strip" aria-hidden="true">
      {Array.from({ length: 24 }, (_, hour) => <i key={hour} class={allowed(hour) ? "on" : ""} />)}
    </div>
  );
}
