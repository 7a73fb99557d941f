/** Earnings of the last days as bars, penalties below the axis, and the same as a table. */
import type { JSX } from "preact";
import { useState } from "preact/hooks";
import type { Day } from "../messages";
import { amount, count, dayName } from "./format";
import { Zkpow } from "./parts";
import { localDay, type Scale, scale } from "./scale";

const DAYS = 14;
const WIDTH = 336;
const HEIGHT = 96;
const STEP = WIDTH / DAYS;
const BAR = 15;

export function Earnings(props: { days: Day[]; now_ms: number }): JSX.Element {
  const [table, setTable] = useState(false);
  const drawn = scale(props.days, localDay(props.now_ms), DAYS);
  const empty = drawn.max === 0n && drawn.min === 0n;
  return (
    <section class="card" aria-labelledby="earnings-title">
      <div class="card-head">
        <h2 id="earnings-title">Last 14 days</h2>
        <button type="button" class="link" aria-pressed={table} onClick={() => setTable(!table)}>
          Table
        </button>
      </div>
      {table ? <Table drawn={drawn} /> : empty ? <p class="empty">Nothing earned yet. Your first proof will show here.</p> : <Bars drawn={drawn} />}
    </section>
  );
}

function Bars(props: { drawn: Scale }): JSX.Element {
  const { bars, zero, max, min } = props.drawn;
  const axis = zero * HEIGHT;
  const first = bars[0]?.day ?? "";
  const last = bars[bars.length - 1]?.day ?? "";
  return (
    <figure class="chart">
      <svg viewBox={`0 -2 ${WIDTH} ${HEIGHT + 4}`} role="img" aria-label={summary(props.drawn)}>
        {bars.map((bar, at) => (
          <g key={bar.day}>
            <title>{barTitle(bar)}</title>
            <rect class="bar-hover" x={at * STEP} y={0} width={STEP} height={HEIGHT} />
            {bar.up > 0 && <path class="bar-up" d={rounded(at * STEP + (STEP - BAR) / 2, axis - bar.up * HEIGHT, axis)} />}
            {bar.down > 0 && <path class="bar-down" d={rounded(at * STEP + (STEP - BAR) / 2, axis + bar.down * HEIGHT, axis)} />}
          </g>
        ))}
        <line class="axis" x1={0} x2={WIDTH} y1={axis} y2={axis} />
      </svg>
      <figcaption class="chart-legend">
        <span>{dayName(first)}</span>
        <span>
          {max > 0n && <span class="key up">best day {amount(max).text}</span>}
          {min > 0n && <span class="key down">most lost {amount(min).text}</span>}
        </span>
        <span>{dayName(last)}</span>
      </figcaption>
    </figure>
  );
}

/** A bar from `axis` to `end` with its free end rounded. */
function rounded(x: number, end: number, axis: number): string {
  const away = end < axis ? 1 : -1;
  const radius = Math.min(3, Math.abs(axis - end)) * away;
  const side = Math.abs(radius);
  return `M${x} ${axis}V${end + radius}Q${x} ${end} ${x + side} ${end}H${x + BAR - side}Q${x + BAR} ${end} ${x + BAR} ${end + radius}V${axis}Z`;
}

function barTitle(bar: Scale["bars"][number]): string {
  const lost = bar.penalties > 0n ? `, penalties ${amount(bar.penalties).text}` : "";
  return `${dayName(bar.day)}: earned ${amount(bar.earned).text}${lost} ZKPoW, ${proofs(bar.proofs)}`;
}

const proofs = (number: number): string => `${count(number)} ${number === 1 ? "proof" : "proofs"}`;

function summary(drawn: Scale): string {
  const earned = drawn.bars.reduce((sum, bar) => sum + bar.earned, 0n);
  const lost = drawn.bars.reduce((sum, bar) => sum + bar.penalties, 0n);
  const days = drawn.bars.filter((bar) => bar.earned > 0n).length;
  return `Bar chart: earned ${amount(earned).text} ZKPoW on ${days} of ${DAYS} days, penalties ${amount(lost).text} ZKPoW. The table has every day.`;
}

function Table(props: { drawn: Scale }): JSX.Element {
  return (
    <table class="days">
      <thead>
        <tr>
          <th scope="col">Day</th>
          <th scope="col">Proofs</th>
          <th scope="col">Earned</th>
          <th scope="col">Penalties</th>
        </tr>
      </thead>
      <tbody>
        {[...props.drawn.bars].reverse().map((bar) => (
          <tr key={bar.day}>
            <th scope="row">{dayName(bar.day)}</th>
            <td>{count(bar.proofs)}</td>
            <td><Zkpow value={bar.earned} /></td>
            <td><Zkpow value={-bar.penalties} /></td>
          </tr>
        ))}
      </tbody>
    </table>
  );
}
