//! Presets validate; every relation is refused with its name; unknown keys are errors.

use crate::{
    Amount, ConfigError, DEMO, Genesis, GenesisError, LOCAL, MAX_GENESIS_BYTES, MAX_SIMULATED_VALIDATORS, Params,
    Pinned, Relation, SIMULATION, Setup,
};

fn demo() -> Genesis {
    Genesis::from_toml(DEMO).unwrap()
}

#[test]
fn both_presets_validate_and_differ() {
    let demo = demo().validate().unwrap();
    let local = Genesis::from_toml(LOCAL).unwrap().validate().unwrap();
    assert_ne!(demo.hash, local.hash);
    assert_ne!(demo.genesis.chain_id, local.genesis.chain_id);
}

#[test]
fn only_a_simulated_chain_has_several_validators_and_no_preset_for_nodes_is_one() {
    for preset in [DEMO, LOCAL] {
        assert!(!Genesis::from_toml(preset).unwrap().is_simulated());
    }
    let with = |validators: usize| {
        let mut genesis = Genesis::from_toml(SIMULATION).unwrap();
        let one = genesis.validators[0].clone();
        genesis.validators.clear();
        for number in 1..=validators {
            let mut validator = one.clone();
            validator.address.0[18..].copy_from_slice(&(number as u16).to_be_bytes());
            genesis.validators.push(validator);
        }
        genesis
    };
    assert!(with(1).is_simulated());
    for validators in [1, 4, MAX_SIMULATED_VALIDATORS] {
        with(validators).validate().unwrap();
    }
    for validators in [0, MAX_SIMULATED_VALIDATORS + 1] {
        assert!(matches!(with(validators).validate(), Err(GenesisError::SimulatedValidators { .. })));
    }
    let mut real = with(4);
    real.proof_system.setup = Setup::Development;
    real.proof_system.key = Pinned::Is([8; 32].into());
    assert!(matches!(real.validate(), Err(GenesisError::Validators { found: 4 })));
    let mut twice = with(4);
    twice.validators[3].address = twice.validators[0].address;
    assert!(matches!(twice.validate(), Err(GenesisError::ValidatorTwice(_))));
    let mut pinned = with(1);
    pinned.proof_system.shape = Pinned::Is([7; 32].into());
    assert!(matches!(pinned.validate(), Err(GenesisError::SimulatedShape)));
    let mut keyed = with(1);
    keyed.proof_system.key = Pinned::Is([7; 32].into());
    assert!(matches!(keyed.validate(), Err(GenesisError::SimulatedKey)));
    let mut unkeyed = demo();
    unkeyed.proof_system.key = Pinned::Unset;
    assert!(matches!(unkeyed.validate(), Err(GenesisError::KeyUnnamed)));
}

#[test]
fn a_genesis_survives_toml_and_keeps_its_hash() {
    let genesis = demo();
    let again = Genesis::from_toml(&genesis.to_toml().unwrap()).unwrap();
    assert_eq!(genesis, again);
    assert_eq!(genesis.hash(), again.hash());
}

#[test]
fn whoever_has_the_hash_can_check_the_bytes_and_read_them() {
    for preset in [DEMO, LOCAL, SIMULATION] {
        let genesis = Genesis::from_toml(preset).unwrap();
        let bytes = genesis.to_bytes();
        assert_eq!(alloy_primitives::keccak256(&bytes), genesis.clone().validate().unwrap().hash);
        assert_eq!(Genesis::from_bytes(&bytes).unwrap(), genesis);
        for end in 0..bytes.len() {
            assert!(matches!(Genesis::from_bytes(&bytes[..end]), Err(GenesisError::Bytes)), "cut at {end}");
        }
        for at in 0..bytes.len() {
            let mut flipped = bytes.clone();
            flipped[at] ^= 0x20;
            assert!(Genesis::from_bytes(&flipped).map_or(true, |other| other != genesis), "flipped at {at}");
        }
        let long = [bytes.as_slice(), &[0]].concat();
        assert!(matches!(Genesis::from_bytes(&long), Err(GenesisError::Bytes)));
        assert!(matches!(Genesis::from_bytes(&vec![0; MAX_GENESIS_BYTES + 1]), Err(GenesisError::Bytes)));
    }
}

#[test]
fn a_digest_in_capitals_has_no_second_form() {
    let genesis = demo();
    let text = genesis.proof_system.key;
    let Pinned::Is(digest) = text else { panic!("the preset names no key") };
    let (mut bytes, word) = (genesis.to_bytes(), digest.to_string());
    let at = bytes.windows(word.len()).position(|w| w == word.as_bytes()).unwrap();
    bytes[at..at + word.len()].copy_from_slice(word.to_uppercase().replace("0X", "0x").as_bytes());
    assert!(matches!(Genesis::from_bytes(&bytes), Err(GenesisError::Bytes)));
}

#[test]
fn the_hash_follows_every_kind_of_field() {
    let hash = demo().hash();
    let changes: [fn(&mut Genesis); 7] = [
        |g| g.chain_id += 1,
        |g| g.time_ms += 1,
        |g| g.params.trust.max_slots += 1,
        |g| g.proof_system.shape = Pinned::Is([7; 32].into()),
        |g| g.proof_system.key = Pinned::Is([7; 32].into()),
        |g| g.allocations[0].balance.0.0 += 1,
        |g| g.validators[0].stake.0.0 += 1,
    ];
    for change in changes {
        let mut genesis = demo();
        change(&mut genesis);
        assert_ne!(genesis.hash(), hash);
    }
}

#[test]
fn an_unknown_or_missing_key_is_refused() {
    assert!(Genesis::from_toml(&format!("surprise = 1\n{DEMO}")).is_err());
    assert!(Genesis::from_toml(&DEMO.replace("max_slots = 8", "max_slots = 8\nmax_slotz = 9")).is_err());
    assert!(Genesis::from_toml(&DEMO.replace("max_slots = 8", "")).is_err());
}

#[test]
fn every_broken_relation_is_named_with_both_values() {
    let cases: [(Relation, fn(&mut Params)); 18] = [
        (Relation::SharesSumToOne, |p| p.fees.proposer_share_bp += 1),
        (Relation::RiseWithinPenalty, |p| p.proving.timeout_penalty = "0.1 ZKPoW".parse().unwrap()),
        (Relation::DebtHoldsOnePenalty, |p| p.proving.max_debt = "0.9 ZKPoW".parse().unwrap()),
        (Relation::TargetTimeAboveMinimum, |p| p.block.target_block_time_ms = p.block.min_block_time_ms - 1),
        (Relation::IdleAboveTarget, |p| p.block.idle_interval_ms = p.block.target_block_time_ms - 1),
        (Relation::GasTargetWithinLimit, |p| p.fees.gas_target = p.block.gas_limit + 1),
        (Relation::SegmentsTargetWithinLimit, |p| p.fees.segments_target = p.block.max_segments + 1),
        (Relation::BacklogTargetWithinLimit, |p| p.fees.backlog_target = p.block.max_unproven_segments + 1),
        (Relation::InitialFeeAboveMinimum, |p| p.fees.initial_base_fee = "1".parse().unwrap()),
        (Relation::FeeCoversBounty, |p| p.bounty.min_per_segment = "0.002 ZKPoW".parse().unwrap()),
        (Relation::BaseHoldsLargestItem, |p| p.bounty.max_base = "0.015 ZKPoW".parse().unwrap()),
        (Relation::WithdrawPaysItsProof, |p| p.settlement.withdraw_fee = "0.001 ZKPoW".parse().unwrap()),
        (Relation::RegistrationWorkAboveMinimum, |p| p.plugins.initial_registration_work = 1),
        (Relation::HeartbeatOutlivesDraw, |p| p.plugins.heartbeat_ttl = p.proving.draw_lag - 1),
        (Relation::OpenAfterOneDeadline, |p| p.proving.open_after = 10),
        (Relation::ItemFitsBlock, |p| (p.block.max_segments, p.fees.segments_target) = (15, 15)),
        (Relation::ItemFitsBatch, |p| p.batches.max_segments = 15),
        (Relation::SettlementFitsItem, |p| p.settlement.max_entries = 33),
    ];
    for (expected, break_it) in cases {
        let mut params = demo().params;
        break_it(&mut params);
        match params.validate() {
            Err(ConfigError::Relation { relation, left, right }) => {
                assert_eq!(relation, expected);
                assert_ne!(left, right, "{relation}");
            }
            other => panic!("{expected}: {other:?}"),
        }
    }
}

#[test]
fn a_value_outside_its_range_is_named() {
    let mut params = demo().params;
    params.proving.draw_lag = 1;
    assert_eq!(params.validate(), Err(ConfigError::Range { name: "proving.draw_lag", value: 1, min: 2, max: 1_000 }));
    let mut params = demo().params;
    params.bounty.min_per_segment = Amount::default();
    assert!(matches!(params.validate(), Err(ConfigError::Range { name: "bounty.min_per_segment", .. })));
}

/// The proof layer holds items of 64 segments and batches of 4096 items at an
/// arity of 16 at most: a chain that admits more could never prove it.
#[test]
fn a_chain_cannot_admit_more_than_its_proofs_hold() {
    let cases: [(&str, fn(&mut Params)); 3] = [
        ("proving.max_segments_per_item", |p| p.proving.max_segments_per_item = 65),
        ("batches.max_segments", |p| p.batches.max_segments = 4097),
        ("batches.aggregation_arity", |p| p.batches.aggregation_arity = 17),
    ];
    for (expected, break_it) in cases {
        let mut params = demo().params;
        break_it(&mut params);
        assert!(matches!(params.validate(), Err(ConfigError::Range { name, .. }) if name == expected), "{expected}");
    }
}

#[test]
fn a_genesis_names_what_is_wrong() {
    let mut genesis = demo();
    genesis.validators.clear();
    assert!(matches!(genesis.validate(), Err(GenesisError::Validators { found: 0 })));
    let mut genesis = demo();
    genesis.allocations.reverse();
    assert!(matches!(genesis.validate(), Err(GenesisError::AllocationOrder(_))));
    let mut genesis = demo();
    genesis.allocations[0].account = "0xc0f01d0000000000000000000000000000000001".parse().unwrap();
    assert!(matches!(genesis.validate(), Err(GenesisError::SystemAccount(_))));
    let mut genesis = demo();
    genesis.issuance.0.0 = (1 << 127) - 1;
    assert!(matches!(
        genesis.validate(),
        Err(GenesisError::Params(ConfigError::Relation { relation: Relation::SupplyInRange, .. }))
    ));
    let mut genesis = demo();
    genesis.validators[0].stake = Amount::default();
    assert!(matches!(genesis.validate(), Err(GenesisError::NoStake(_))));
    let mut genesis = demo();
    (genesis.chain_id, genesis.admission_items) = (0, 0);
    assert!(matches!(genesis.clone().validate(), Err(GenesisError::ChainId)));
    genesis.chain_id = 1;
    assert!(matches!(genesis.validate(), Err(GenesisError::AdmissionItems)));
}

#[test]
fn amounts_are_exact() {
    let units = |text: &str| text.parse::<Amount>().map(Amount::units).ok();
    assert_eq!(units("1.5 ZKPoW"), Some(1_500_000_000_000_000_000));
    assert_eq!(units("0.000000000000000001 ZKPoW"), Some(1));
    assert_eq!(units("7"), Some(7));
    for bad in [
        "",
        "-1",
        "1.",
        "1.5",
        "0.0000000000000000001 ZKPoW",
        "1 zkpow",
        "1e3",
        " 1",
        "340282366920938463463374607431768211456",
    ] {
        assert_eq!(units(bad), None, "{bad}");
    }
    assert_eq!("1.5 ZKPoW".parse::<Amount>().unwrap().to_string(), "1.5 ZKPoW");
}
