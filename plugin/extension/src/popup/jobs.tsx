/** The last jobs; each opens to its receipt, its draw and, for a penalty, the reason. */
import type { ComponentChildren, JSX } from "preact";
import { useState } from "preact/hooks";
import type { Job, JobResult } from "../messages";
import { ago, amount, count, measured, moment, shortHex, units } from "../ui/format";
import { Back, Check, Clock, Cross, Others } from "../ui/icons";
import { CopyButton, Zkpow } from "../ui/parts";
import { HANDED_BACK, PENALTY, RESULT } from "../ui/words";

const FEW = 6;

export function Jobs(props: { jobs: Job[]; now_ms: number }): JSX.Element {
  const [all, setAll] = useState(false);
  const { jobs } = props;
  const shown = all ? jobs : jobs.slice(0, FEW);
  return (
    <section class="card" aria-labelledby="jobs-title">
      <div class="card-head">
        <h2 id="jobs-title">Last jobs</h2>
        {jobs.length > FEW && (
          <button type="button" class="link" aria-expanded={all} onClick={() => setAll(!all)}>
            {all ? "Fewer" : `All ${count(jobs.length)}`}
          </button>
        )}
      </div>
      {jobs.length === 0 && <p class="empty">No jobs yet.</p>}
      <ul class="jobs">
        {shown.map((job) => <Row key={`${job.task}/${job.attempt}`} job={job} now_ms={props.now_ms} />)}
      </ul>
    </section>
  );
}

const SIGN: Record<JobResult, [() => JSX.Element, string]> = {
  accepted: [Check, "ok"],
  "timed-out": [Cross, "bad"],
  "handed-back": [Back, "warn"],
  "proven-by-other": [Others, "idle"],
  open: [Clock, "busy"],
};

const KIND: Record<Job["kind"], string> = { item: "Transaction", admission: "Trial proof", aggregate: "Aggregation" };

function Row(props: { job: Job; now_ms: number }): JSX.Element {
  const { job } = props;
  const [Sign, tone] = SIGN[job.result];
  return (
    <li data-testid="job" data-task={job.task}>
      <details>
        <summary>
          <span class={`sign ${tone}`}><Sign /></span>
          <span class="job-what">
            <span class="job-title">{KIND[job.kind]} <span class="muted">{job.task}</span></span>
            <span class="job-result" data-testid="job-result">{RESULT[job.result]}<span class="muted"> · {ago(job.ended_ms ?? job.offered_ms, props.now_ms)}</span></span>
          </span>
          <span class="job-amount"><Net job={job} /></span>
        </summary>
        <Details job={job} />
      </details>
    </li>
  );
}

/** What the job brought: reward less penalty plus refund. */
function Net(props: { job: Job }): JSX.Element {
  const { job } = props;
  const net = units(job.reward ?? "0") - units(job.penalty?.amount ?? "0") + units(job.refunded ?? "0");
  if (net === 0n) return <span class="muted">{job.result === "open" ? "…" : "—"}</span>;
  const shown = amount(net, { signed: true });
  return <span class={shown.sign < 0 ? "negative" : "positive"} title={shown.exact}>{shown.text}</span>;
}

function Details(props: { job: Job }): JSX.Element {
  const { job } = props;
  return (
    <div class="job-details">
      {job.penalty !== null && (
        <div class="notice bad" data-testid="job-penalty">
          <p><b>Penalty <Zkpow value={job.penalty.amount} plain /></b></p>
          <p>{PENALTY[job.penalty.reason]}</p>
          {job.refunded !== null && <p><Zkpow value={job.refunded} plain /> of it came back, because nobody could prove the task in time.</p>}
        </div>
      )}
      {job.handed_back !== null && <p class="notice">{HANDED_BACK[job.handed_back]}</p>}
      <dl class="pairs">
        <Pair name="Bounty"><Zkpow value={job.bounty} /></Pair>
        {job.reward !== null && <Pair name="Reward"><Zkpow value={job.reward} /></Pair>}
        {job.to_debt !== null && units(job.to_debt) !== 0n && <Pair name="Of it, repaid debt"><Zkpow value={job.to_debt} /></Pair>}
        <Pair name="Size">{count(job.segments)} {job.segments === 1 ? "segment" : "segments"}</Pair>
        {job.proving_ms !== null && <Pair name="Proving took">{measured(job.proving_ms)}</Pair>}
        <Pair name="Offered">{moment(job.offered_ms)}</Pair>
        {job.ended_ms !== null && <Pair name="Ended">{moment(job.ended_ms)}</Pair>}
        <Pair name="Deadline">block {count(job.deadline)}</Pair>
        {job.attempt > 1 && <Pair name="Attempt">{count(job.attempt)}</Pair>}
        {job.proof_hash !== null && <HashPair name="Proof" value={job.proof_hash} />}
      </dl>
      <Receipt receipt={job.receipt} />
      <Draw job={job} />
    </div>
  );
}

function Pair(props: { name: string; children: ComponentChildren }): JSX.Element {
  return <div><dt>{props.name}</dt><dd>{props.children}</dd></div>;
}

function HashPair(props: { name: string; value: string }): JSX.Element {
  return (
    <div>
      <dt>{props.name}</dt>
      <dd class="hash"><code class="mono" title={props.value}>{shortHex(props.value)}</code><CopyButton text={props.value} what={props.name.toLowerCase()} /></dd>
    </div>
  );
}

function Receipt(props: { receipt: Job["receipt"] }): JSX.Element {
  const { receipt } = props;
  if (receipt === null) return <p class="hint">No receipt: nothing was submitted.</p>;
  return (
    <>
      <h3>Receipt of the submission</h3>
      <p class="hint">{receipt.accepted ? "The node signed that it took the proof." : "The node signed that it refused the proof."} Keep it for a complaint.</p>
      <dl class="pairs">
        <HashPair name="Message" value={receipt.message} />
        <Pair name="At block">{count(receipt.height)}</Pair>
        <HashPair name="Signature" value={receipt.signature} />
      </dl>
      <p class="copy-row right"><span class="hint">Whole receipt</span><CopyButton text={JSON.stringify(receipt, null, 2)} what="whole receipt" /></p>
    </>
  );
}

function Draw(props: { job: Job }): JSX.Element {
  const { draw, task } = props.job;
  if (draw === null) return <p class="hint">{props.job.kind === "admission" ? "Drawn from your own address: no lot among others." : "Open to everybody: there was no draw."}</p>;
  const command = `crowdfold explain DATA_DIR --task ${task}`;
  return (
    <>
      <h3>Draw</h3>
      <p class="hint">
        Place {count(draw.index + 1)} of {count(draw.candidates)} free places, by the beacon of block {count(draw.height)}
        {draw.rejected > 0 && `, after ${count(draw.rejected)} ${draw.rejected === 1 ? "try" : "tries"} outside the range`}.
      </p>
      <dl class="pairs">
        <HashPair name="Beacon" value={draw.beacon} />
        <HashPair name="Root of places" value={draw.set_root} />
      </dl>
      <p class="hint">To check it, run beside a node’s data:</p>
      <p class="copy-row"><code class="mono wrap">{command}</code><CopyButton text={command} what="command" /></p>
    </>
  );
}
