//! Each event in words, with the numbers that its rule was given.

use crowdfold_config::Amount;
use crowdfold_events::{
    Address, Event, Height, TaskId, Zkpow,
    event::{DrawReceipt, InactiveReason, PenaltyReason, TaskKind},
};
use crowdfold_kernel::Refusal;

use super::{Books, Standing, Subject};

fn money(amount: Zkpow) -> Amount {
    Amount(amount)
}

fn percent(bp: u32) -> String {
    format!("{}.{:02}%", bp / 100, bp % 100)
}

/// The height that a block's first event brings.
pub(super) fn height(event: &Event) -> Height {
    match event {
        Event::BlockDecided { header, .. } => header.height,
        _ => Height(0),
    }
}

fn about(kind: &TaskKind) -> String {
    match kind {
        TaskKind::Prove { item } => format!("prove item {item}"),
        TaskKind::Admission { plugin, admission_item } => format!("prove admission item {admission_item} for {plugin}"),
        TaskKind::Aggregate { batch, level, position, items, .. } => {
            format!("fold {items} items of batch {batch} (level {level}, position {position})")
        }
    }
}

/// What an event means, before it is applied; for a draw also whether its receipt holds.
pub(super) fn text(event: &Event, books: &Books, standing: &Standing) -> (Option<bool>, String) {
    if let Event::TaskAssigned { task, plugin, attempt, bounty, from_issuance, deadline, receipt } = event {
        let fault = standing.check_draw(*task, *plugin, *attempt, *deadline, receipt).err();
        let mut text = assigned(*task, *plugin, *attempt, receipt, standing);
        text.push_str(&price(*task, *bounty, *from_issuance, *deadline, books, standing));
        text.push_str(&match &fault {
            None => " Recomputed from the events alone: the same plugin.".to_owned(),
            Some(fault) => format!(" Recomputed: it does not hold: {fault}."),
        });
        return (Some(fault.is_none()), text);
    }
    (None, plain(event, books, standing))
}

fn assigned(task: TaskId, plugin: Address, attempt: u32, receipt: &DrawReceipt, standing: &Standing) -> String {
    let admission = standing.task(task).is_some_and(|t| matches!(t.kind, TaskKind::Admission { .. }));
    if admission {
        return format!(
            "Task {task} is {plugin}'s: the beacon of block {} and its address give admission item {} of {}.",
            receipt.beacon_height, receipt.index, receipt.candidates
        );
    }
    let (frozen, own) = standing.candidates().map_or((Height(0), 0), |(at, list)| {
        let own = list.iter().filter(|a| **a == plugin).count();
        (at, own)
    });
    let left_out = standing.ineligible(task).len();
    format!(
        "Task {task} was drawn for {plugin} (attempt {attempt}): {} free slots were frozen after block {frozen} and not yet drawn in this block ({own} of the frozen ones its own; {left_out} provers left out because they failed this task, left or are full); the beacon {} of block {} gives index {} after {} rejected words.",
        receipt.candidates, receipt.beacon, receipt.beacon_height, receipt.index, receipt.rejected
    )
}

/// Why the bounty of an assignment is what it is.
fn price(
    task: TaskId,
    bounty: Zkpow,
    from_issuance: Zkpow,
    deadline: Height,
    books: &Books,
    standing: &Standing,
) -> String {
    let grace = books.params().proving.inclusion_grace;
    let until = format!(" A proof counts up to block {deadline}, and {grace} blocks of grace.");
    let Some(bill) = books.bill(task).filter(|bill| bill.base > 0) else {
        return format!(" It pays nothing.{until}");
    };
    let risen = books.risen(bill);
    let age = standing.height().0.saturating_sub(bill.opened_at.0);
    format!(
        " It pays {}: base {}, {} after {age} blocks unproven, times {} for scarce provers; {} of it from issuance, the rest from fees.{until}",
        money(bounty),
        money(Zkpow(bill.base)),
        money(Zkpow(risen)),
        percent(books.capacity_multiple_bp()),
        money(from_issuance),
    )
}

fn plain(event: &Event, books: &Books, standing: &Standing) -> String {
    match event {
        Event::TransactionExecuted { item, sender, to, value, fee, shares, gas_used, segments, .. } => format!(
            "{sender} sent {} to {to}: item {item}, {gas_used} gas, {segments} segments. The fee of {} went {} to the proposer, {} to its proof, {} to aggregation, {} to settlements, {} to posting.",
            money(*value),
            money(*fee),
            money(shares.proposer),
            money(shares.proving),
            money(shares.aggregation),
            money(shares.settlement),
            money(shares.posting),
        ),
        Event::MessageAccepted { sender, sequence, .. } => format!("Message {sequence} of {sender} took effect."),
        Event::MessageRefused { sender, sequence, reason, .. } => {
            format!("Message {sequence} of {sender} had no effect: {}.", refusal(*reason))
        }
        Event::TaskOpened { task, kind, segments, base_bounty, funded } => format!(
            "Task {task} was opened: {}. {segments} segments, base bounty {}, of which fees have paid {}.",
            about(kind),
            money(*base_bounty),
            money(*funded),
        ),
        Event::TaskHandedBack { task, plugin } => format!("{plugin} handed task {task} back; it is drawn again."),
        Event::AssignmentTimedOut { task, plugin, deadline } => format!(
            "{plugin} was late with task {task}: no proof up to block {deadline}, nor in the {} blocks of grace after it. It is drawn again, for somebody else.",
            books.params().proving.inclusion_grace,
        ),
        Event::ProofAccepted { task, plugin, proof_hash } => {
            format!("{plugin} proved task {task}: proof {proof_hash} was accepted.")
        }
        Event::AggregateAccepted { task, plugin, proof_hash } => {
            format!("{plugin} folded task {task}: proof {proof_hash} was accepted.")
        }
        Event::RewardAccrued { plugin, task, amount, from_fees, from_issuance, to_debt } => format!(
            "{plugin} earned {} for task {task}, as fixed when it was assigned: {} from fees, {} from issuance. {} of it repaid debt, the rest is accrued until a settlement.",
            money(*amount),
            money(*from_fees),
            money(*from_issuance),
            money(*to_debt),
        ),
        Event::PenaltyCharged { plugin, task, reason, amount, from_accrued, to_debt, holding_after } => {
            penalty(*plugin, *task, *reason, (*amount, *from_accrued, *to_debt), holding_after.0, books)
        }
        Event::PenaltyRefunded { plugin, task, amount, to_debt } => format!(
            "Nobody proved task {task} in time when it was open to everybody either, so {plugin} got {} of its penalty back, {} of it against debt.",
            money(*amount),
            money(*to_debt),
        ),
        Event::BountyBumped { task, bounty } => format!(
            "Task {task} was unproven for another {} blocks: its base bounty rose to {}.",
            books.params().bounty.bump_interval,
            money(*bounty),
        ),
        Event::TaskQuarantined { task, deadline } => {
            let failed = standing.task(*task).map_or(0, |t| t.failed.len());
            format!(
                "Task {task} was open to everybody for its base bounty until block {deadline}, then anew: {failed} provers had failed it, or it had waited too long."
            )
        }
        _ => standing_text(event, books, standing),
    }
}

fn penalty(
    plugin: Address,
    task: TaskId,
    reason: PenaltyReason,
    (amount, from_accrued, to_debt): (Zkpow, Zkpow, Zkpow),
    holding: i128,
    books: &Books,
) -> String {
    let full = books.params().proving.timeout_penalty;
    let why = match reason {
        PenaltyReason::Timeout => format!("the timeout penalty of {full}"),
        PenaltyReason::HandBack if amount.0 == full.units() => {
            format!(
                "all of the timeout penalty of {full}, because it handed back after the first quarter of the deadline"
            )
        }
        PenaltyReason::HandBack => {
            format!(
                "a quarter of the timeout penalty of {full}, because it handed back within the first quarter of the deadline"
            )
        }
    };
    let sign = if holding < 0 { "-" } else { "" };
    format!(
        "{plugin} was charged {} for task {task}: {why}. {} came from what it had accrued, {} became debt; it now holds {sign}{}.",
        money(amount),
        money(from_accrued),
        money(to_debt),
        money(Zkpow(holding.unsigned_abs())),
    )
}

fn standing_text(event: &Event, books: &Books, standing: &Standing) -> String {
    match event {
        Event::PluginRegistered { plugin } => format!("{plugin} registered with enough work."),
        Event::AdmissionPassed { plugin, task } => {
            format!("{plugin} proved its admission (task {task}) and is a prover.")
        }
        Event::AdmissionLapsed { plugin, task } => {
            format!("{plugin} did not prove its admission (task {task}) in time: its registration is void.")
        }
        Event::PluginActivated { plugin } => format!("{plugin} is active: it can be drawn."),
        Event::PluginDeactivated { plugin, reason } => {
            let why = match reason {
                InactiveReason::Expired => format!("it was silent for {} blocks", books.params().plugins.heartbeat_ttl),
                InactiveReason::Requested => "it said so".to_owned(),
                InactiveReason::Suspended => "it is suspended".to_owned(),
            };
            format!("{plugin} left the active set: {why}.")
        }
        Event::PluginSuspended { plugin, debt } => format!(
            "{plugin} was suspended: its debt of {} is above {}. It works again once somebody has repaid enough.",
            money(*debt),
            books.params().proving.max_debt,
        ),
        Event::PluginReinstated { plugin } => format!("{plugin} is no longer suspended: its debt is within the limit."),
        Event::TrustChanged { plugin, consecutive_valid: 0, slots } => {
            format!("{plugin}'s trust starts anew after a failure: {slots} slots.")
        }
        Event::TrustChanged { plugin, consecutive_valid, slots } => {
            format!("{plugin} has {consecutive_valid} valid proofs in a row: {slots} slots.")
        }
        Event::WithdrawRequested { plugin, fee } => {
            format!("{plugin} asked to be paid out at the next settlement, for a fee of {}.", money(*fee))
        }
        Event::DebtRepaid { plugin, amount, payer } => format!("{payer} repaid {} of {plugin}'s debt.", money(*amount)),
        Event::SettlementApplied { item, entries, .. } => {
            let paid = entries.iter().filter(|e| e.credit).count();
            let bonds = entries.iter().filter(|e| standing.bonded_slots(&e.account) > 0).count();
            format!(
                "A settlement (item {item}) paid {paid} accounts what they had accrued; {bonds} of them kept their bond back."
            )
        }
        Event::BatchClosed { batch, first_item, items, segments, .. } => {
            format!("Batch {batch} was closed: {items} proven items from {first_item} on, {segments} segments.")
        }
        Event::BatchProven { batch, proof_hash } => format!("Batch {batch} is proven by {proof_hash}."),
        Event::BatchCertified { batch, certificate_hash } => {
            format!("The validators certified batch {batch}: {certificate_hash}.")
        }
        event => format!("{event:?}"),
    }
}

fn refusal(code: u16) -> String {
    Refusal::from_code(code).map_or_else(|| format!("reason {code}"), |known| known.to_string())
}

/// An event's amounts by name.
pub(super) fn amounts(event: &Event, subject: Subject) -> Vec<(&'static str, String)> {
    let list: Vec<(&'static str, Zkpow)> = match event {
        Event::TransactionExecuted { value, fee, shares, .. } => vec![
            ("value", *value),
            ("fee", *fee),
            ("proposer", shares.proposer),
            ("proving", shares.proving),
            ("aggregation", shares.aggregation),
            ("settlement", shares.settlement),
            ("posting", shares.posting),
        ],
        Event::TaskOpened { base_bounty, funded, .. } => vec![("base_bounty", *base_bounty), ("funded", *funded)],
        Event::TaskAssigned { bounty, from_issuance, .. } => {
            vec![("bounty", *bounty), ("from_issuance", *from_issuance)]
        }
        Event::BountyBumped { bounty, .. } => vec![("base_bounty", *bounty)],
        Event::RewardAccrued { amount, from_fees, from_issuance, to_debt, .. } => vec![
            ("amount", *amount),
            ("from_fees", *from_fees),
            ("from_issuance", *from_issuance),
            ("to_debt", *to_debt),
        ],
        Event::PenaltyCharged { amount, from_accrued, to_debt, .. } => {
            vec![("amount", *amount), ("from_accrued", *from_accrued), ("to_debt", *to_debt)]
        }
        Event::PenaltyRefunded { amount, to_debt, .. } => vec![("amount", *amount), ("to_debt", *to_debt)],
        Event::DebtRepaid { amount, .. } => vec![("amount", *amount)],
        Event::WithdrawRequested { fee, .. } => vec![("fee", *fee)],
        Event::PluginSuspended { debt, .. } => vec![("debt", *debt)],
        Event::SettlementApplied { entries, .. } => match subject {
            Subject::Plugin(account) => {
                entries.iter().filter(|e| e.account == account).map(|e| ("paid_out", e.amount)).collect()
            }
            Subject::Task(_) | Subject::Transaction(_) => Vec::new(),
        },
        _ => Vec::new(),
    };
    list.into_iter().map(|(name, amount)| (name, amount.0.to_string())).collect()
}
