//! One line per event: amounts in ZKPoW, hashes and addresses short.

use crowdfold_config::Amount;
use crowdfold_events::{
    BlockBody, BlockHeader, Event, Zkpow,
    event::{DrawReceipt, PenaltyReason, TaskKind},
};

/// Amounts as people write them.
pub(in crate::cli) fn amount(of: Zkpow) -> String {
    Amount(of).to_string()
}

/// The first digits of a hash or an address.
pub(in crate::cli) fn short(of: impl AsRef<[u8]>) -> String {
    let bytes = of.as_ref();
    format!("0x{}…", hex::encode(&bytes[..bytes.len().min(4)]))
}

/// An event in words.
pub(in crate::cli) fn line(event: &Event) -> String {
    match event {
        Event::GenesisLoaded { genesis_hash, chain_id, supply, .. } => {
            format!("genesis {} of chain {chain_id}, supply {}", short(genesis_hash), amount(*supply))
        }
        Event::BlockDecided { header, body } => decided(header, body),
        Event::BlockSealed { height, state_root, market_root } => {
            format!("block {height} sealed: state {}, market {}", short(state_root), short(market_root))
        }
        Event::TransactionExecuted { .. }
        | Event::SettlementApplied { .. }
        | Event::BatchClosed { .. }
        | Event::BatchProven { .. }
        | Event::BatchCertified { .. }
        | Event::EpochStarted { .. } => of_items(event),
        Event::MessageAccepted { hash, sender, sequence } => {
            format!("message {} of {}, its number {sequence}, accepted", short(hash), short(sender))
        }
        Event::MessageRefused { hash, sender, sequence, reason } => {
            format!("message {} of {}, its number {sequence}, refused: reason {reason}", short(hash), short(sender))
        }
        Event::HeartbeatsRecorded { bitmap } => {
            let beats: u32 = bitmap.iter().map(|byte| byte.count_ones()).sum();
            format!("heartbeats of {beats} plugin(s)")
        }
        Event::PluginRegistered { plugin } => format!("plugin {} registered", short(plugin)),
        Event::AdmissionPassed { plugin, task } => format!("plugin {} admitted by task {task}", short(plugin)),
        Event::AdmissionLapsed { plugin, task } => {
            format!("plugin {} not admitted: task {task} was not proven in time", short(plugin))
        }
        Event::PluginActivated { plugin } => format!("plugin {} active", short(plugin)),
        Event::PluginDeactivated { plugin, reason } => format!("plugin {} inactive: {reason:?}", short(plugin)),
        Event::PluginSuspended { plugin, debt } => {
            format!("plugin {} suspended with a debt of {}", short(plugin), amount(*debt))
        }
        Event::PluginReinstated { plugin } => format!("plugin {} reinstated", short(plugin)),
        Event::TrustChanged { plugin, consecutive_valid, slots } => {
            format!("plugin {}: {consecutive_valid} valid in a row, {slots} slot(s)", short(plugin))
        }
        _ => of_tasks(event),
    }
}

fn decided(header: &BlockHeader, body: &BlockBody) -> String {
    format!(
        "block {} decided: {} transaction(s), {} message(s), proposed by {}, header {}",
        header.height,
        body.transactions.len(),
        body.messages.len(),
        short(header.proposer),
        short(header.hash()),
    )
}

fn of_items(event: &Event) -> String {
    match event {
        Event::TransactionExecuted { item, hash, sender, to, value, fee, .. } => format!(
            "item {item}: transaction {}, {} sends {} to {}, fee {}",
            short(hash),
            short(sender),
            amount(*value),
            short(to),
            amount(*fee)
        ),
        Event::SettlementApplied { item, entries, .. } => {
            let credited = entries.iter().filter(|e| e.credit).fold(0u128, |sum, e| sum.saturating_add(e.amount.0));
            format!("item {item}: settlement of {} entries, {} credited", entries.len(), amount(Zkpow(credited)))
        }
        Event::BatchClosed { batch, first_item, items, .. } => {
            let last = first_item.0.saturating_add(u64::from(*items)).saturating_sub(1);
            format!("batch {batch} closed: items {first_item} to {last}")
        }
        Event::BatchProven { batch, proof_hash } => format!("batch {batch} proven by {}", short(proof_hash)),
        Event::BatchCertified { batch, certificate_hash } => {
            format!("batch {batch} certified: {}", short(certificate_hash))
        }
        Event::EpochStarted { epoch, issuance_allowance, registration_work } => format!(
            "epoch {epoch}: {} may be issued, registration costs {registration_work} hashes",
            amount(*issuance_allowance)
        ),
        other => format!("{other:?}"),
    }
}

fn of_tasks(event: &Event) -> String {
    match event {
        Event::TaskOpened { task, kind, base_bounty, segments, .. } => {
            format!(
                "task {task} opened: {}, {segments} segment(s), base bounty {}",
                kind_of(kind),
                amount(*base_bounty)
            )
        }
        Event::TaskAssigned { task, plugin, attempt, bounty, deadline, receipt, .. } => {
            let DrawReceipt { beacon_height, candidates, index, .. } = receipt;
            format!(
                "task {task} assigned to {} for {} until block {deadline} (attempt {attempt}; slot {index} of {candidates}, beacon of block {beacon_height})",
                short(plugin),
                amount(*bounty),
            )
        }
        Event::TaskHandedBack { task, plugin } => format!("task {task} handed back by {}", short(plugin)),
        Event::ProofAccepted { task, plugin, proof_hash } => {
            format!("task {task} proven by {}, proof {}", short(plugin), short(proof_hash))
        }
        Event::AggregateAccepted { task, plugin, proof_hash } => {
            format!("task {task} aggregated by {}, proof {}", short(plugin), short(proof_hash))
        }
        Event::AssignmentTimedOut { task, plugin, deadline } => {
            format!("task {task} not proven by {} until block {deadline}", short(plugin))
        }
        Event::BountyBumped { task, bounty } => format!("task {task}: bounty rises to {}", amount(*bounty)),
        Event::TaskQuarantined { task, deadline } => format!("task {task} quarantined until block {deadline}"),
        Event::PenaltyCharged { plugin, task, reason, amount: charged, to_debt, .. } => {
            let why = match reason {
                PenaltyReason::Timeout => "missing the deadline",
                PenaltyReason::HandBack => "handing it back",
            };
            format!("{} pays {} for {why} of task {task}{}", short(plugin), amount(*charged), debt(*to_debt, "as debt"))
        }
        Event::PenaltyRefunded { plugin, task, amount: back, to_debt } => format!(
            "{} gets a penalty of {} for task {task} back{}",
            short(plugin),
            amount(*back),
            debt(*to_debt, "off its debt")
        ),
        Event::RewardAccrued { plugin, task, amount: earned, to_debt, .. } => {
            format!("{} earns {} for task {task}{}", short(plugin), amount(*earned), debt(*to_debt, "off its debt"))
        }
        Event::DebtRepaid { plugin, amount: paid, payer } => {
            format!("{} pays {} of the debt of {}", short(payer), amount(*paid), short(plugin))
        }
        Event::WithdrawRequested { plugin, fee } => {
            format!("{} asks for what it earned, fee {}", short(plugin), amount(*fee))
        }
        // All others have their words above.
        other => format!("{other:?}"),
    }
}

fn debt(of: Zkpow, how: &str) -> String {
    if of == Zkpow::ZERO { String::new() } else { format!(", {} of it {how}", amount(of)) }
}

fn kind_of(kind: &TaskKind) -> String {
    match kind {
        TaskKind::Prove { item } => format!("prove item {item}"),
        TaskKind::Admission { plugin, admission_item } => {
            format!("admission of {} by item {admission_item}", short(plugin))
        }
        TaskKind::Aggregate { batch, level, position, items, .. } => {
            format!("fold {items} item(s) of batch {batch}, level {level}, position {position}")
        }
    }
}
