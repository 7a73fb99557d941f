//! Settings in, actions and views out.

use alloy_primitives::keccak256;
use crowdfold_config::{DEMO, Genesis};
use crowdfold_events::{
    Height, SignedZkpow, TaskId, Zkpow,
    event::PenaltyReason,
    wire::{ClientFrame, Code, MAX_FRAME_BYTES, Notice, Packet},
};
use crowdfold_plugin::{
    core::{prover_core, read_genesis, signer},
    describe, prover, show,
};
use crowdfold_prover::{Action, Outcome, ProverEvent};
use serde_json::json;

const SECRET: [u8; 32] = [1; 32];

fn settings() -> serde_json::Value {
    json!({"agent": "test", "lanes": 1, "expected": null, "ms_per_segment": 28_000, "seed": "7", "registers": true})
}

fn code(settings: &serde_json::Value, secret: &[u8]) -> &'static str {
    prover_core(&settings.to_string(), secret, 0).map_or_else(|error| error.code(), |_| "none")
}

#[test]
fn settings_and_secrets_are_checked() {
    assert_eq!(code(&settings(), &SECRET), "none");
    assert_eq!(code(&settings(), &[0; 32]), "bad-key");
    assert_eq!(code(&settings(), &[1; 31]), "bad-key");
    let with = |name: &str, value: serde_json::Value| {
        let mut changed = settings();
        changed[name] = value;
        code(&changed, &SECRET)
    };
    let hash = keccak256(b"x").to_string();
    let expected = |digest, id| json!({"genesis_hash": hash, "params_digest": digest, "chain_id": id});
    assert_eq!(with("expected", expected(json!(hash), json!("7710"))), "none");
    assert_eq!(with("expected", expected(json!(null), json!(null))), "none");
    assert_eq!(with("expected", expected(json!("0x12"), json!(null))), "bad-settings");
    assert_eq!(with("expected", expected(json!(null), json!("many"))), "bad-settings");
    assert_eq!(with("seed", json!("-1")), "bad-settings");
    assert_eq!(with("unknown", json!(1)), "bad-settings");
    assert_eq!(signer(&SECRET).unwrap().address().to_string(), "0x1a642f0E3c3aF545E7AcBD38b07251B3990914F1");
}

#[test]
fn the_first_actions_connect_and_greet() {
    let mut core = prover_core(&settings().to_string(), &SECRET, 0).unwrap();
    core.tick(0);
    let actions: Vec<_> = core.actions().into_iter().map(describe::action).collect();
    assert_eq!(actions, [(json!({"type": "connect"}), None)]);
    core.connected(1);
    let [(send, Some(("bytes", bytes)))] = &core.actions().into_iter().map(describe::action).collect::<Vec<_>>()[..]
    else {
        panic!("a greeting is one frame")
    };
    assert_eq!(*send, json!({"type": "send"}));
    let greeting = Packet::<ClientFrame>::decode(bytes, MAX_FRAME_BYTES).unwrap();
    assert!(matches!(greeting.frame, ClientFrame::Hello { .. }));
    let view = show::view(&core.view(2));
    assert_eq!(view["link"], json!({"type": "logging-in"}));
    assert_eq!(view["standing"], json!("unknown"));
    assert_eq!(view["chain"], json!(null));
    assert_eq!(view["ms_per_segment"], json!(28_000));
}

#[test]
fn amounts_and_numbers_are_strings_in_decimal() {
    let notice = Notice::Penalised {
        task: TaskId(u64::MAX),
        reason: PenaltyReason::Timeout,
        amount: Zkpow(u128::MAX),
        holding_after: SignedZkpow(-5),
    };
    assert_eq!(
        describe::event(ProverEvent::Notice { height: Height(9), notice }),
        json!({"type": "notice", "height": "9", "notice": {
            "type": "penalised", "task": u64::MAX.to_string(), "reason": "timeout",
            "amount": u128::MAX.to_string(), "holding_after": "-5",
        }})
    );
    let (finished, bytes) = describe::action(Action::Finished(Outcome::Refused(Code::BadLogin)));
    assert_eq!(finished["outcome"]["code"]["number"], json!(107));
    assert_eq!(bytes, None);
}

#[test]
fn a_genesis_says_what_it_pins() {
    let genesis = Genesis::from_toml(DEMO).unwrap();
    let bytes = genesis.to_bytes();
    let facts = read_genesis(&bytes).unwrap();
    assert_eq!(facts["hash"], json!(keccak256(&bytes)));
    assert_eq!(facts["chain_id"], json!(genesis.chain_id.to_string()));
    assert!(facts["params_digest"].is_string() && facts["key"].is_string(), "{facts}");
    assert_eq!(read_genesis(&bytes[1..]).map_err(|error| error.code()), Err("node-fault"));
}

#[test]
fn a_registration_is_solved_in_steps() {
    let (plugin, block) = (signer(&SECRET).unwrap().address().to_string(), keccak256(b"block").to_string());
    let found = prover::solve_registration(1, &plugin, &block, 50, 0, 10_000).unwrap().unwrap();
    assert_eq!(prover::solve_registration(1, &plugin, &block, 50, 0, found).unwrap(), None);
    assert_eq!(prover::solve_registration(1, &plugin, &block, 50, found, 1).unwrap(), Some(found));
    assert!(prover::solve_registration(1, "x", &block, 50, 0, 1).is_err());
}
