//! Which parameters a counterfactual may change, and which not, and why.

use crowdfold_config::{Amount, Params};

/// Why a setting is not taken. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SetError {
    /// Not `name=value`.
    #[error("`{0}` is not of the form name=value")]
    Syntax(String),
    /// No such parameter.
    #[error("there is no parameter `{0}`; amounts that may be set: {names}", names = AMOUNTS.join(", "))]
    Unknown(String),
    /// Not a value of this parameter.
    #[error("`{value}` is not a value of {name}: {expected}")]
    Value {
        /// The parameter.
        name: &'static str,
        /// What was given.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
    /// The parameter decides more than amounts.
    #[error("{name} would change draws or outcomes, which a counterfactual holds as they were: {why}")]
    ChangesOutcomes {
        /// The parameter.
        name: &'static str,
        /// What it decides.
        why: &'static str,
    },
}

/// Parameters that are amounts, by their paths in a genesis file.
pub const AMOUNTS: [&str; 16] = [
    "proving.timeout_penalty",
    "bounty.min_per_segment",
    "bounty.max_base",
    "bounty.target_slots",
    "bounty.smoothing_blocks",
    "bounty.max_capacity_multiple_bp",
    "bounty.bump_rate_bp",
    "bounty.bump_interval",
    "bounty.max_bounty_multiple_bp",
    "fees.proposer_share_bp",
    "fees.proving_share_bp",
    "fees.aggregation_share_bp",
    "fees.settlement_share_bp",
    "fees.posting_share_bp",
    "settlement.withdraw_fee",
    "epoch.issuance_allowance",
];

const PACE: &str = "it decides when blocks come and what they hold";
const FEES: &str = "it decides what users pay, so which transactions are sent and admitted";
const DRAWS: &str = "it decides when tasks are drawn and when they are late";
const SET: &str = "it decides who is in the active set and so among whom is drawn";
const SLOTS: &str = "it decides how many slots provers have, so who is drawn";
const BATCHES: &str = "it decides which tasks there are";
const PAYOUTS: &str = "it decides when settlements happen and whom they pay, which are items that were proven";

/// Parameters that decide more than amounts.
const OUTCOMES: [(&str, &str); 38] = [
    ("block.min_block_time_ms", PACE),
    ("block.target_block_time_ms", PACE),
    ("block.idle_interval_ms", PACE),
    ("block.gas_limit", PACE),
    ("block.max_segments", PACE),
    ("block.max_messages", PACE),
    ("block.max_messages_per_sender", PACE),
    ("block.max_proofs", PACE),
    ("block.max_unproven_segments", PACE),
    ("fees.initial_base_fee", FEES),
    ("fees.min_base_fee", FEES),
    ("fees.max_change_denominator", FEES),
    ("fees.gas_target", FEES),
    ("fees.segments_target", FEES),
    ("fees.backlog_target", FEES),
    ("proving.draw_lag", DRAWS),
    ("proving.deadline_base", DRAWS),
    ("proving.deadline_per_segment", DRAWS),
    ("proving.inclusion_grace", DRAWS),
    ("proving.max_segments_per_item", PACE),
    ("proving.max_debt", "it decides who is suspended, so among whom is drawn"),
    ("proving.quarantine_attempts", DRAWS),
    ("proving.open_after", DRAWS),
    ("trust.valid_per_slot", SLOTS),
    ("trust.max_slots", SLOTS),
    ("plugins.heartbeat_ttl", SET),
    ("plugins.max_registrations_per_block", SET),
    ("plugins.registrations_per_epoch", SET),
    ("batches.max_segments", BATCHES),
    ("batches.max_age", BATCHES),
    ("batches.aggregation_arity", BATCHES),
    ("settlement.interval", PAYOUTS),
    ("settlement.min_payout", PAYOUTS),
    ("epoch.length", "it decides when the work of a registration changes, so who gets in"),
    ("plugins.initial_registration_work", SET),
    ("plugins.min_registration_work", SET),
    ("plugins.registration_recent_blocks", SET),
    ("settlement.max_entries", PAYOUTS),
];

/// A parameter that was set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Setting {
    /// Its path in a genesis file.
    pub name: &'static str,
    /// What it was.
    pub was: String,
    /// What it is.
    pub is: String,
}

fn names(name: &str, path: &str) -> bool {
    let last = path.rsplit('.').next().unwrap_or(path);
    let short = |full: &str| full.strip_suffix("_bp").map(str::to_owned);
    name == path || name == last || Some(name.to_owned()) == short(path) || Some(name.to_owned()) == short(last)
}

/// Applies settings of the form `name=value`. A name is the parameter's path
/// or its last part, with or without `_bp`; shares and rates are basis points
/// or per cent (`12.5%`), amounts ZKPoW unless they say `units`.
///
/// # Errors
/// [`SetError`] for the first setting that is not taken.
pub fn set(params: &mut Params, settings: &[String]) -> Result<Vec<Setting>, SetError> {
    settings.iter().map(|text| one(params, text)).collect()
}

fn one(params: &mut Params, text: &str) -> Result<Setting, SetError> {
    let (name, value) = text.split_once('=').ok_or_else(|| SetError::Syntax(text.to_owned()))?;
    let (name, value) = (name.trim(), value.trim());
    if let Some((name, why)) = OUTCOMES.iter().find(|(path, _)| names(name, path)) {
        return Err(SetError::ChangesOutcomes { name, why });
    }
    let unknown = || SetError::Unknown(name.to_owned());
    let name = *AMOUNTS.iter().find(|path| names(name, path)).ok_or_else(unknown)?;
    let Params { fees, proving, bounty, settlement, epoch, .. } = params;
    let (was, is) = match name {
        "proving.timeout_penalty" => amount(name, &mut proving.timeout_penalty, value)?,
        "bounty.min_per_segment" => amount(name, &mut bounty.min_per_segment, value)?,
        "bounty.max_base" => amount(name, &mut bounty.max_base, value)?,
        "settlement.withdraw_fee" => amount(name, &mut settlement.withdraw_fee, value)?,
        "epoch.issuance_allowance" => amount(name, &mut epoch.issuance_allowance, value)?,
        "bounty.target_slots" => number(name, &mut bounty.target_slots, value)?,
        "bounty.smoothing_blocks" => number(name, &mut bounty.smoothing_blocks, value)?,
        "bounty.bump_interval" => number(name, &mut bounty.bump_interval, value)?,
        "bounty.max_capacity_multiple_bp" => share(name, &mut bounty.max_capacity_multiple_bp, value)?,
        "bounty.bump_rate_bp" => share(name, &mut bounty.bump_rate_bp, value)?,
        "bounty.max_bounty_multiple_bp" => share(name, &mut bounty.max_bounty_multiple_bp, value)?,
        "fees.proposer_share_bp" => share(name, &mut fees.proposer_share_bp, value)?,
        "fees.proving_share_bp" => share(name, &mut fees.proving_share_bp, value)?,
        "fees.aggregation_share_bp" => share(name, &mut fees.aggregation_share_bp, value)?,
        "fees.settlement_share_bp" => share(name, &mut fees.settlement_share_bp, value)?,
        "fees.posting_share_bp" => share(name, &mut fees.posting_share_bp, value)?,
        _ => return Err(unknown()),
    };
    Ok(Setting { name, was, is })
}

fn wrong(name: &'static str, value: &str, expected: &'static str) -> SetError {
    SetError::Value { name, value: value.to_owned(), expected }
}

fn amount(name: &'static str, slot: &mut Amount, value: &str) -> Result<(String, String), SetError> {
    let expected = "`1.5` or `1.5 ZKPoW`, or `42 units` of 10^-18 ZKPoW";
    let units = value.strip_suffix("units").or_else(|| value.strip_suffix("unit")).map(|n| n.trim().to_owned());
    let text = match units {
        Some(units) => units,
        None if value.ends_with("ZKPoW") => value.to_owned(),
        None => format!("{value} ZKPoW"),
    };
    let new: Amount = text.parse().map_err(|_| wrong(name, value, expected))?;
    let was = std::mem::replace(slot, new);
    Ok((was.to_string(), new.to_string()))
}

fn number<T: core::str::FromStr + core::fmt::Display + Copy + PartialOrd + From<u8>>(
    name: &'static str,
    slot: &mut T,
    value: &str,
) -> Result<(String, String), SetError> {
    let new: T = value.parse().map_err(|_| wrong(name, value, "a whole number"))?;
    if new < T::from(1) {
        return Err(wrong(name, value, "at least 1"));
    }
    let was = std::mem::replace(slot, new);
    Ok((was.to_string(), new.to_string()))
}

fn share(name: &'static str, slot: &mut u32, value: &str) -> Result<(String, String), SetError> {
    let expected = "basis points from 0 to 1000000, or per cent with at most two decimals";
    let parsed = match value.strip_suffix('%') {
        None => value.parse::<u32>().ok(),
        Some(percent) => {
            let (whole, part) = percent.trim().split_once('.').unwrap_or((percent.trim(), ""));
            let part = format!("{part:0<2}");
            let hundredths = if part.len() == 2 { part.parse::<u32>().ok() } else { None };
            whole
                .parse::<u32>()
                .ok()
                .and_then(|w| w.checked_mul(100))
                .zip(hundredths)
                .and_then(|(w, p)| w.checked_add(p))
        }
    };
    let new = parsed.filter(|bp| *bp <= 1_000_000).ok_or_else(|| wrong(name, value, expected))?;
    let was = std::mem::replace(slot, new);
    Ok((format!("{was} bp"), format!("{new} bp")))
}

#[cfg(test)]
mod tests {
    use crowdfold_config::{DEMO, Genesis};

    use super::*;

    /// Every key of a genesis' parameters is an amount or an outcome, and no name is two.
    #[test]
    fn every_parameter_is_classed() {
        let genesis = Genesis::from_toml(DEMO).unwrap();
        let json = serde_json::to_value(&genesis.params).unwrap();
        let mut paths = Vec::new();
        for (section, keys) in json.as_object().unwrap() {
            paths.extend(keys.as_object().unwrap().keys().map(|key| format!("{section}.{key}")));
        }
        for path in &paths {
            let classes = usize::from(AMOUNTS.contains(&path.as_str()))
                + OUTCOMES.iter().filter(|(name, _)| name == path).count();
            assert_eq!(classes, 1, "{path}");
        }
        assert_eq!(AMOUNTS.len() + OUTCOMES.len(), paths.len());
    }

    #[test]
    fn values_are_read_as_a_person_writes_them() {
        let mut params = Genesis::from_toml(DEMO).unwrap().params;
        let settings = ["timeout_penalty=0.5 ZKPoW", "bump_rate=12.5%", "bounty.bump_interval=7", "proving_share_bp=1"];
        let done = set(&mut params, &settings.map(str::to_owned)).unwrap();
        assert_eq!(done[0].was, "1 ZKPoW");
        assert_eq!(params.proving.timeout_penalty.units(), 500_000_000_000_000_000);
        assert_eq!(
            (params.bounty.bump_rate_bp, params.bounty.bump_interval, params.fees.proving_share_bp),
            (1250, 7, 1)
        );
        set(&mut params, &["max_base=2".to_owned(), "withdraw_fee=7 units".to_owned()]).unwrap();
        assert_eq!(params.bounty.max_base.units(), 2 * 10u128.pow(18));
        assert_eq!(params.settlement.withdraw_fee.units(), 7);
        let mut refused = |text: &str| set(&mut params, &[text.to_owned()]).unwrap_err();
        assert!(matches!(refused("timeout_penalty"), SetError::Syntax(_)));
        assert!(matches!(refused("nothing=1"), SetError::Unknown(_)));
        assert!(matches!(refused("timeout_penalty=much"), SetError::Value { .. }));
        assert!(matches!(refused("bump_interval=0"), SetError::Value { .. }));
        assert!(matches!(refused("bump_rate=1.234%"), SetError::Value { .. }));
        for name in ["deadline_base", "proving.draw_lag", "heartbeat_ttl", "max_slots", "max_debt", "min_payout"] {
            let refused = refused(&format!("{name}=9"));
            assert!(matches!(refused, SetError::ChangesOutcomes { .. }), "{refused}");
        }
    }
}
