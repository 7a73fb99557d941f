//! `prove`, `check-proof`, `checkpoint`.

use std::{fs, path::PathBuf};

use crowdfold_config::Genesis;
use crowdfold_events::Signer;
use serde_json::Value;
use tempfile::TempDir;

use super::fixture::{chain, code, data, fails, frames, journal, json, out, path, text, write_data, write_journal};

struct Papers {
    dir: TempDir,
    work: TempDir,
}

impl Papers {
    fn new() -> Self {
        let papers = Self { dir: data(), work: tempfile::tempdir().unwrap() };
        papers.key("key", &chain().validator_secret());
        papers
    }

    fn data(&self) -> &str {
        path(self.dir.path())
    }

    fn file(&self, name: &str) -> PathBuf {
        self.work.path().join(name)
    }

    fn at(&self, name: &str) -> String {
        self.file(name).to_str().unwrap().to_owned()
    }

    fn key(&self, name: &str, secret: &[u8; 32]) -> String {
        fs::write(self.file(name), hex::encode(secret)).unwrap();
        self.at(name)
    }

    fn genesis(&self) -> String {
        self.dir.path().join("genesis.toml").to_str().unwrap().to_owned()
    }

    fn checkpoint(&self, name: &str, size: u64) -> String {
        let (key, file, size) = (self.at("key"), self.at(name), size.to_string());
        text(&["checkpoint", self.data(), "--key", &key, "--size", &size, "--out", &file]);
        file
    }

    fn proof(&self, name: &str, args: &[&str]) -> String {
        let file = self.at(name);
        text(&[&["prove", self.data()], args, &["--out", &file]].concat());
        file
    }

    fn check(&self, args: &[&str], expected: i32) -> Value {
        let genesis = self.genesis();
        let all = [&["check-proof"], args, &["--genesis", &genesis]].concat();
        if expected == 0 { json(&all, 0) } else { Value::String(fails(&all, expected)) }
    }
}

#[test]
fn every_kind_of_event_is_proven_against_checkpoints_of_every_size() {
    let papers = Papers::new();
    let end = chain().events.len() as u64;
    for size in [1, 2, 255, 256, 257, end - 1, end] {
        let checkpoint = papers.checkpoint(&format!("cp{size}"), size);
        for seq in [0, size / 3, size - 1] {
            let name = format!("proof{size}-{seq}");
            if papers.file(&name).exists() {
                continue;
            }
            let proof = papers.proof(&name, &[&seq.to_string(), "--checkpoint", &checkpoint]);
            let said = papers.check(&[&proof, "--checkpoint", &checkpoint], 0);
            assert_eq!((&said["valid"], &said["seq"], &said["size"]), (&true.into(), &seq.into(), &size.into()));
            assert_eq!(said["validators_checked"], true);
            let shown = super::fixture::lines(&["show", papers.data(), "--seq", &seq.to_string()]).remove(0);
            assert_eq!(said["event"]["fields"], shown["fields"], "the event itself is in the proof");
        }
    }
    // Words, and without a genesis.
    let (proof, checkpoint) = (papers.at(&format!("proof{end}-0")), papers.at(&format!("cp{end}")));
    let words = text(&["check-proof", &proof, "--checkpoint", &checkpoint]);
    assert!(words.starts_with("valid") && words.contains("NOT compared"), "{words}");
    // On standard output, byte for byte what a file gets.
    let printed = out(&journal(&["prove", papers.data(), "0", "--checkpoint", &checkpoint]));
    assert_eq!(printed, fs::read_to_string(&proof).unwrap());
    // A backup proves the same without its node.
    let copy = papers.at("copy");
    text(&["backup", papers.data(), &copy]);
    assert_eq!(out(&journal(&["prove", &copy, "0"])), printed);
}

#[test]
fn a_journal_continues_its_own_past_and_no_other() {
    let papers = Papers::new();
    let end = chain().events.len() as u64;
    let new = papers.checkpoint("new", end);
    for old_size in [1, 100, 256, end] {
        let old = papers.checkpoint(&format!("old{old_size}"), old_size);
        let proof = papers.proof(&format!("p{old_size}"), &["5", "--consistency", &old_size.to_string()]);
        let said = papers.check(&[&proof, "--checkpoint", &new, "--old-checkpoint", &old], 0);
        assert_eq!(said["continues"], old_size);
        papers.check(&[&proof, "--checkpoint", &new], 2);
    }
    let plain = papers.proof("plain", &["5"]);
    papers.check(&[&plain, "--checkpoint", &new, "--old-checkpoint", &papers.at("old100")], 3);
    papers.check(&[&papers.at("p100"), "--checkpoint", &new, "--old-checkpoint", &papers.at("old1")], 3);

    // A checkpoint of another history of the same chain, signed by the same key.
    let chain = chain();
    let mut events = chain.events.clone();
    let swap = events.iter().position(|e| e.event_type() == 30).unwrap();
    events.swap(swap, swap + 1);
    let other = tempfile::tempdir().unwrap();
    write_journal(&other.path().join("journal"), &events);
    fs::copy(papers.genesis(), other.path().join("genesis.toml")).unwrap();
    let lie = papers.at("lie");
    text(&["checkpoint", path(other.path()), "--key", &papers.at("key"), "--size", "100", "--out", &lie]);
    assert!(swap < 100);
    papers.check(&[&papers.at("p100"), "--checkpoint", &new, "--old-checkpoint", &lie], 3);
    // Nor is it cosigned.
    fails(&["checkpoint", papers.data(), "--key", &papers.at("key"), "--cosign", &lie], 3);
}

#[test]
fn an_altered_proof_or_checkpoint_is_never_good() {
    let papers = Papers::new();
    let checkpoint = papers.checkpoint("cp", 300);
    let proof = papers.proof("proof", &["77", "--size", "300", "--consistency", "100"]);
    let old = papers.checkpoint("old", 100);
    papers.check(&[&proof, "--checkpoint", &checkpoint, "--old-checkpoint", &old], 0);
    let bad = papers.at("bad");
    let good: Value = serde_json::from_str(&fs::read_to_string(&proof).unwrap()).unwrap();
    let mut number = 0;
    let mut refused = |change: &dyn Fn(&mut Value)| {
        let mut value = good.clone();
        change(&mut value);
        assert_ne!(value, good);
        fs::write(&bad, value.to_string()).unwrap();
        number += 1;
        papers.check(&[&bad, "--checkpoint", &checkpoint, "--old-checkpoint", &old], 3);
    };
    for seq in [0u64, 76, 78, 299, 300, u64::MAX] {
        refused(&|v| v["inclusion"]["seq"] = seq.into());
    }
    for size in [0u64, 299, 301, u64::MAX] {
        refused(&|v| v["inclusion"]["size"] = size.into());
        refused(&|v| v["consistency"]["size"] = size.into());
        refused(&|v| v["consistency"]["old"] = size.into());
    }
    let zero = Value::String(format!("0x{}", "00".repeat(32)));
    for part in ["inclusion", "consistency"] {
        for at in 0..good[part]["path"].as_array().unwrap().len() {
            refused(&|v| v[part]["path"][at] = zero.clone());
            refused(&|v| drop(v[part]["path"].as_array_mut().unwrap().remove(at)));
            refused(&|v| v[part]["path"].as_array_mut().unwrap().insert(at, zero.clone()));
        }
        refused(&|v| v[part]["path"] = vec![zero.clone(); 10_000].into());
        refused(&|v| v[part]["path"] = Value::Null);
    }
    refused(&|v| v["inclusion"]["event"] = "0x".into());
    refused(&|v| v["inclusion"]["event"] = "0x0011".into());
    refused(&|v| v["inclusion"]["event"] = "zz".into());
    refused(&|v| v["format"] = "crowdfold journal proof 2".into());
    refused(&|v| v["more"] = 1.into());
    refused(&|v| drop(v.as_object_mut().unwrap().remove("inclusion")));
    refused(&|v| v["consistency"] = Value::Null);
    assert!(number > 50);
    for garbage in ["", "{", "[]", "null"] {
        fs::write(&bad, garbage).unwrap();
        papers.check(&[&bad, "--checkpoint", &checkpoint], 3);
    }
    // Every digit of a checkpoint counts: its form (2) or its signature (3) is refused.
    let text = fs::read_to_string(&checkpoint).unwrap();
    for (at, digit) in text.char_indices().filter(|(_, c)| c.is_ascii_hexdigit()).step_by(11) {
        let other = if digit == '1' { '2' } else { '1' };
        let mut altered = text.clone();
        altered.replace_range(at..=at, &other.to_string());
        fs::write(&bad, &altered).unwrap();
        let output = journal(&["check-proof", &proof, "--checkpoint", &bad, "--old-checkpoint", &old]);
        assert!(matches!(code(&output), 2 | 3), "{altered}");
    }
    papers.check(&[&proof, "--checkpoint", &old, "--old-checkpoint", &old], 3);
    papers.check(&[&proof, "--checkpoint", &papers.at("nothing")], 2);
    papers.check(&[&papers.at("nothing"), "--checkpoint", &checkpoint], 2);
    let demo = ["check-proof", &proof, "--checkpoint", &checkpoint, "--old-checkpoint", &old, "--genesis", "demo"];
    assert!(fails(&demo, 3).contains("genesis"));
}

#[test]
fn only_validators_sign_and_more_than_two_thirds_must() {
    let papers = Papers::new();
    let stranger = papers.key("stranger", &[5; 32]);
    let said = fails(&["checkpoint", papers.data(), "--key", &stranger], 2);
    assert!(said.contains("no validator"), "{said}");
    fails(&["checkpoint", papers.data(), "--key", &papers.at("nothing")], 2);
    let size = (chain().events.len() + 1).to_string();
    fails(&["checkpoint", papers.data(), "--key", &papers.at("key"), "--size", &size], 2);
    fails(&["checkpoint", papers.data(), "--key", &papers.at("key"), "--size", "18446744073709551615"], 2);
    fails(&["checkpoint", papers.data(), "--key", &papers.at("key"), "--genesis", "demo"], 2);
    for seq in [size.as_str(), "18446744073709551615"] {
        fails(&["prove", papers.data(), seq], 2);
        fails(&["prove", papers.data(), "0", "--size", seq], 2);
        fails(&["prove", papers.data(), "0", "--consistency", seq], 2);
    }
    // A stranger's signature beside none of a validator's is not enough, although it is good.
    let checkpoint = papers.checkpoint("cp", 100);
    let proof = papers.proof("proof", &["5", "--size", "100"]);
    let signed = crowdfold_journal::SignedCheckpoint::from_text(&fs::read_to_string(&checkpoint).unwrap()).unwrap();
    let stranger = Signer::from_bytes(&[5; 32]).unwrap();
    let forged = papers.at("forged");
    fs::write(&forged, signed.checkpoint().sign(&stranger).to_string()).unwrap();
    let said = papers.check(&[&proof, "--checkpoint", &forged], 3);
    assert!(said.as_str().unwrap().contains("is no validator"), "{said}");
    let unchecked = json(&["check-proof", &proof, "--checkpoint", &forged], 0);
    assert_eq!(unchecked["validators_checked"], false);
    // Nothing is overwritten.
    fails(&["checkpoint", papers.data(), "--key", &papers.at("key"), "--out", &checkpoint], 2);
    fails(&["prove", papers.data(), "0", "--out", &proof], 2);
}

/// The derived tree may be damaged or of another journal: what is proven and
/// signed is what the events say.
#[test]
fn nothing_rests_on_the_remembered_tree() {
    let papers = Papers::new();
    let good = out(&journal(&["prove", papers.data(), "7"]));
    let signed = out(&journal(&["checkpoint", papers.data(), "--key", &papers.at("key")]));
    let tree = papers.dir.path().join("journal/merkle");
    assert!(tree.exists());
    let bytes = fs::read(&tree).unwrap();
    for at in (0..bytes.len()).step_by(bytes.len() / 17) {
        let mut bad = bytes.clone();
        bad[at] ^= 1;
        fs::write(&tree, bad).unwrap();
        assert_eq!(out(&journal(&["prove", papers.data(), "7"])), good);
    }
    // A tile's root altered with a good checksum: no proof, and no wrong signature.
    let mut bad = bytes.clone();
    bad[80] ^= 1;
    let end = bad.len() - 4;
    let checksum = crc32c_of(&bad[..end]);
    bad[end..].copy_from_slice(&checksum.to_le_bytes());
    fs::write(&tree, bad).unwrap();
    assert!(matches!(code(&journal(&["prove", papers.data(), "7"])), 1));
    assert_eq!(out(&journal(&["checkpoint", papers.data(), "--key", &papers.at("key")])), signed);
}

/// CRC-32C, bit by bit.
fn crc32c_of(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0u32, |crc, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| if crc & 1 == 1 { (crc >> 1) ^ 0x82f6_3b78 } else { crc >> 1 })
    })
}

#[test]
fn a_checkpoint_of_several_validators_is_signed_by_one_after_the_other() {
    let papers = Papers::new();
    let mut genesis: Genesis = chain().genesis;
    let second = Signer::from_bytes(&[6; 32]).unwrap();
    let mut validator = genesis.validators[0].clone();
    validator.address = second.address();
    genesis.validators.push(validator);
    genesis.validators.sort_by_key(|v| v.address);
    let file = papers.at("two.toml");
    fs::write(&file, genesis.to_toml().unwrap()).unwrap();
    if genesis.clone().validate().is_err() {
        // Chains with real proofs have one validator; a genesis of several is refused in words.
        fails(&["checkpoint", papers.data(), "--key", &papers.at("key"), "--genesis", &file], 2);
        return;
    }
    let events = crate::audit::chains::stored(&crowdfold_kernel::Kernel::genesis(&genesis).unwrap().1);
    let dir = papers.file("two");
    write_journal(&dir.join("journal"), &events);
    fs::copy(&file, dir.join("genesis.toml")).unwrap();
    let (one, both) = (papers.at("one"), papers.at("both"));
    text(&["checkpoint", path(&dir), "--key", &papers.at("key"), "--out", &one]);
    let key = papers.key("second", &[6; 32]);
    text(&["checkpoint", path(&dir), "--key", &key, "--cosign", &one, "--out", &both]);
    let proof = papers.at("proof");
    text(&["prove", path(&dir), "0", "--out", &proof]);
    assert!(fails(&["check-proof", &proof, "--checkpoint", &one, "--genesis", &file], 3).contains("signed"));
    json(&["check-proof", &proof, "--checkpoint", &both, "--genesis", &file], 0);
}

#[test]
fn commands_work_on_a_chain_that_has_only_its_genesis() {
    let chain = chain();
    let dir = tempfile::tempdir().unwrap();
    let opening = frames(&chain.events).remove(0);
    write_journal(&dir.path().join("journal"), opening.events());
    fs::write(dir.path().join("genesis.toml"), chain.genesis.to_toml().unwrap()).unwrap();
    let said = json(&["verify", path(dir.path())], 0);
    assert_eq!(said["chain"]["last_block"]["signed"], "none_needed");
    assert_eq!(json(&["stats", path(dir.path())], 0)["events"], 1);
    assert_eq!(text(&["show", path(dir.path())]).lines().count(), 1);
    assert_eq!(text(&["tail", path(dir.path())]).lines().count(), 1);
    text(&["prove", path(dir.path()), "0"]);
    // And one that never had a block more than it says.
    let whole = tempfile::tempdir().unwrap();
    write_data(whole.path(), &chain);
    json(&["verify", path(whole.path())], 0);
}
