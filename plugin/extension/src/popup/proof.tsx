/** The proof that runs now. */
import type { JSX } from "preact";
import type { Running } from "../messages";
import { duration, percent } from "../ui/format";
import { Zkpow } from "../ui/parts";
import { STAGE, STEPS } from "../ui/words";

const TITLE: Record<Running["kind"], string> = { item: "Transaction proof", admission: "Trial proof", aggregate: "Aggregation" };

export function Proof(props: { running: Running }): JSX.Element {
  const { running } = props;
  const at = STEPS.findIndex((step) => step.stages.includes(running.stage));
  const late = running.left_ms !== null && running.deadline_ms !== null && running.left_ms > running.deadline_ms;
  const left = running.left_ms === null ? null : `about ${duration(running.left_ms)} left`;
  return (
    <section class="card proof" aria-labelledby="proof-title" data-testid="proof">
      <div class="card-head">
        <h2 id="proof-title">{TITLE[running.kind]}</h2>
        <span class="muted">task {running.task}{running.attempt > 1 ? `, attempt ${running.attempt}` : ""}</span>
      </div>
      <div class="progress-head">
        <span class="progress-number">{percent(running.permille)}</span>
        <span class="muted">{left ?? "time left not known yet"}</span>
      </div>
      <div
        class="progress"
        role="progressbar"
        aria-label="Progress of the proof"
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.floor(running.permille / 10)}
        aria-valuetext={`${percent(running.permille)}, ${STAGE[running.stage]}${left === null ? "" : `, ${left}`}`}
        data-testid="proof-progress"
      >
        <span style={{ width: `${running.permille / 10}%` }} />
      </div>
      <ol class="steps">
        {STEPS.map((step, index) => {
          const state = index < at ? "past" : index === at ? "now" : "next";
          return (
            <li key={step.label} class={state} title={step.label} aria-current={state === "now" ? "step" : undefined}>
              <span class="visually-hidden">{state === "past" ? `${step.label}, done` : step.label}</span>
            </li>
          );
        })}
      </ol>
      <p class="stage-text"><b>{STEPS[at]?.label}</b> <span class="muted">{at + 1} of {STEPS.length}: {STAGE[running.stage]}</span></p>
      <dl class="pairs two">
        <div>
          <dt>Bounty</dt>
          <dd>{running.kind === "admission" ? "none, a trial" : <Zkpow value={running.bounty} />}</dd>
        </div>
        <div>
          <dt>Deadline</dt>
          <dd>{running.deadline_ms === null ? "not known" : running.deadline_ms <= 0 ? "passed" : `in ${duration(running.deadline_ms)}`}</dd>
        </div>
      </dl>
      {late && <p class="notice">At the present speed this is done after its deadline. It is handed back if that does not change, which costs less than missing it.</p>}
    </section>
  );
}
