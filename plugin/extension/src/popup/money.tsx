/** What is held, owed and trusted; what today and all days brought. */
import type { JSX, RefObject } from "preact";
import type { Account, View } from "../messages";
import { amount, bytes, count, measured, units } from "../ui/format";
import { CopyButton, Zkpow } from "../ui/parts";
import { DEBT, REPAY_ADDRESS, STANDING } from "../ui/words";

export function Money(props: { account: Account; debtRef: RefObject<HTMLDetailsElement> }): JSX.Element {
  const { account } = props;
  const holding = units(account.holding);
  const bond = units(account.bond);
  const inDebt = holding < 0n;
  return (
    <section class="card" aria-labelledby="money-title">
      <div class="card-head">
        <h2 id="money-title">{inDebt ? "Debt" : "Earned, not yet paid out"}</h2>
      </div>
      <p class={inDebt ? "balance in-debt" : "balance"}><Zkpow value={holding} testid="balance" /></p>
      {inDebt && <Debt owed={-holding} detailsRef={props.debtRef} />}
      <dl class="pairs">
        <div>
          <dt>In your wallet</dt>
          <dd><Zkpow value={account.balance} /></dd>
        </div>
        {bond > 0n && !inDebt && (
          <div>
            <dt>Bond <Why text="The first rewards stay as a bond while you are active: a penalty is taken from it before anything else. Everything above it is paid out to your wallet." /></dt>
            <dd title={amount(bond).exact}>
              {holding >= bond ? <Zkpow value={bond} /> : <>{amount(holding).text} of <Zkpow value={bond} /></>}
            </dd>
          </div>
        )}
      </dl>
      <Trust account={account} inDebt={inDebt} />
    </section>
  );
}

function Why(props: { text: string }): JSX.Element {
  return (
    <details class="why">
      <summary><span class="visually-hidden">What is this</span><span aria-hidden="true">?</span></summary>
      <p>{props.text}</p>
    </details>
  );
}

function Debt(props: { owed: bigint; detailsRef: RefObject<HTMLDetailsElement> }): JSX.Element {
  return (
    <details class="explain" ref={props.detailsRef}>
      <summary>What this debt means</summary>
      <p>{DEBT}</p>
      <p>
        To repay at once, send up to <b title={amount(props.owed).exact}>{amount(props.owed).text} ZKPoW</b> from this wallet’s address to the chain’s repayment account:
      </p>
      <p class="copy-row"><code class="mono wrap">{REPAY_ADDRESS}</code><CopyButton text={REPAY_ADDRESS} what="repayment address" /></p>
      <p>Somebody else can repay for you by putting your address into the transaction’s data.</p>
    </details>
  );
}

function Trust(props: { account: Account; inDebt: boolean }): JSX.Element {
  const { slots, consecutive_valid: valid, next_slot_at: next, standing } = props.account;
  if (slots === 0) return <p class="trust muted">This computer is {STANDING[standing]}.</p>;
  const tasks = slots === 1 ? "one task at a time" : `${count(slots)} tasks at a time`;
  const notes = [
    `${count(valid)} valid in a row`,
    next !== null && next > valid ? `level ${slots + 1} at ${count(next)}` : "",
    next === null && !props.inDebt && slots > 1 ? "the highest level" : "",
    props.inDebt ? "no more until the debt is repaid" : "",
    standing === "active" ? "" : STANDING[standing],
  ];
  return (
    <div class="trust">
      <p><b>Trust level {count(slots)}</b> <span class="muted">{tasks}</span></p>
      {next !== null && next > 0 && <div class="meter" aria-hidden="true"><span style={{ width: `${Math.min(100, (valid / next) * 100)}%` }} /></div>}
      <p class="hint">{notes.filter(Boolean).join("; ")}.</p>
    </div>
  );
}

/** Today and all days side by side. */
export function Periods(props: { view: View }): JSX.Element {
  const { today, total, ms_per_segment: speed, memory_bytes: memory } = props.view;
  const meters = [
    today.bytes > 0 ? `${bytes(today.bytes)} of data today` : "",
    speed !== null ? `${measured(speed)} per segment` : "",
    memory !== null ? `${bytes(memory)} of memory` : "",
  ].filter(Boolean);
  return (
    <section class="card" aria-labelledby="periods-title">
      <h2 id="periods-title" class="visually-hidden">Earnings</h2>
      <div class="periods">
        <Period name="Today" testid="today" {...today} />
        <Period name="Total" testid="total" {...total} />
      </div>
      {meters.length > 0 && <p class="hint meters">{meters.join(" · ")}</p>}
    </section>
  );
}

function Period(props: { name: string; testid: string; earned: string; penalties: string; proofs: number }): JSX.Element {
  const lost = units(props.penalties);
  return (
    <div data-testid={props.testid}>
      <h3>{props.name}</h3>
      <p class="period-amount"><Zkpow value={props.earned} signed /></p>
      <p class="hint">{count(props.proofs)} {props.proofs === 1 ? "proof" : "proofs"}</p>
      {lost !== 0n && <p class="hint">Penalties <Zkpow value={lost < 0n ? lost : -lost} bare /></p>}
    </div>
  );
}
