//! Checkpoints as text: one form, every changed character found.

use crowdfold_events::{B256, CommitSignature, EventSeq, Signer};
use crowdfold_journal::{Checkpoint, CheckpointError, Head, MAX_CHECKPOINT_BYTES, SignedCheckpoint};
use proptest::prelude::*;

fn signer(n: u8) -> Signer {
    Signer::from_bytes(&[n; 32]).unwrap()
}

fn checkpoint() -> Checkpoint {
    let head = Head { next: EventSeq(4711), hash: B256::repeat_byte(3) };
    Checkpoint { genesis_hash: B256::repeat_byte(1), head, root: B256::repeat_byte(2) }
}

/// The pinned text, without signatures.
const TEXT: &str = "crowdfold checkpoint 1
genesis 0x0101010101010101010101010101010101010101010101010101010101010101
events 4711
root 0x0202020202020202020202020202020202020202020202020202020202020202
head 0x0303030303030303030303030303030303030303030303030303030303030303
";

#[test]
fn the_text_is_read_back() {
    let signed = checkpoint().sign(&signer(1)).signed_by(&signer(2)).signed_by(&signer(3)).signed_by(&signer(2));
    assert_eq!(signed.signatures().len(), 3);
    assert!(signed.signatures().is_sorted_by_key(|s| s.validator));
    let text = signed.to_string();
    assert!(text.starts_with(TEXT));
    assert_eq!(SignedCheckpoint::from_text(&text).unwrap(), signed);
    // As it comes out of a mail.
    let pasted = format!("\n  {}\r\n\n", text.replace('\n', "  \r\n"));
    assert_eq!(SignedCheckpoint::from_text(&pasted).unwrap(), signed);
    let digest = "0xde68f9915b2c0d8fa4e04633c9e9ae22aa1d4699c84ca8bf5e8bf2f45daa8514";
    assert_eq!(checkpoint().digest().to_string(), digest);
}

#[test]
fn the_digest_binds_every_field() {
    let mut all = vec![checkpoint(); 5];
    all[1].genesis_hash[0] ^= 1;
    all[2].head.next.0 += 1;
    all[3].head.hash[31] ^= 1;
    all[4].root[5] ^= 1;
    let digests: std::collections::BTreeSet<B256> = all.iter().map(Checkpoint::digest).collect();
    assert_eq!(digests.len(), 5);
}

#[test]
fn every_changed_character_is_found() {
    let text = checkpoint().sign(&signer(1)).to_string();
    for (at, was) in text.trim_end().char_indices() {
        for other in ['0', '7', 'a', 'F', ' ', '\n', 'x', 'é'] {
            if other == was || (was == '\n' && other == ' ') {
                continue;
            }
            let bad = format!("{}{other}{}", &text[..at], &text[at + 1..]);
            assert!(SignedCheckpoint::from_text(&bad).is_err(), "{at}: {bad}");
        }
    }
}

#[test]
fn what_is_wrong_is_said() {
    let (one, two) = (checkpoint().sign(&signer(1)), checkpoint().sign(&signer(2)));
    let [a, b] = [&one, &two].map(|s| s.signatures()[0].clone());
    let (first, second) = if a.validator < b.validator { (a, b) } else { (b, a) };
    let new = |signatures| SignedCheckpoint::new(checkpoint(), signatures);
    assert!(new(vec![first.clone(), second.clone()]).is_ok());
    assert_eq!(new(vec![]), Err(CheckpointError::Unsigned));
    assert_eq!(new(vec![second.clone(), first.clone()]), Err(CheckpointError::Order(first.validator)));
    assert_eq!(new(vec![first.clone(), first.clone()]), Err(CheckpointError::Order(first.validator)));
    let stolen = CommitSignature { validator: second.validator, signature: first.signature.clone() };
    assert!(matches!(new(vec![stolen]), Err(CheckpointError::Signature { found: Ok(a), .. }) if a == first.validator));
    let short = CommitSignature { validator: first.validator, signature: vec![1; 64] };
    assert!(matches!(new(vec![short]), Err(CheckpointError::Signature { found: Err(_), .. })));
    // Signed for another journal.
    let mut other = checkpoint();
    other.root = B256::ZERO;
    assert!(SignedCheckpoint::new(other, vec![first]).is_err());

    let text = one.to_string();
    let read = |text: &str| SignedCheckpoint::from_text(text);
    assert_eq!(read(TEXT), Err(CheckpointError::Unsigned));
    assert!(matches!(read(""), Err(CheckpointError::Line { .. })));
    assert!(matches!(read(&text.replace("events 4711\n", "")), Err(CheckpointError::Line { line: 3, .. })));
    assert!(matches!(read(&text.replace("4711", "-1")), Err(CheckpointError::Line { line: 3, .. })));
    assert_eq!(read(&text.replace("4711", "04711")), Err(CheckpointError::NotCanonical));
    assert_eq!(read(&text.replace("4711", "+4711")), Err(CheckpointError::NotCanonical));
    assert!(matches!(read(&format!("{text}\nsigned")), Err(CheckpointError::Line { .. })));
    let found = MAX_CHECKPOINT_BYTES + 1;
    assert_eq!(read(&" ".repeat(found)), Err(CheckpointError::TooLong { found }));
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 300, failure_persistence: None, ..ProptestConfig::default() })]

    #[test]
    fn any_text_is_read_without_panic(text in ".{0,300}", cut in 0usize..400) {
        let _ = SignedCheckpoint::from_text(&text);
        let good = checkpoint().sign(&signer(1)).to_string();
        let cut = cut.min(good.len());
        let _ = SignedCheckpoint::from_text(&format!("{}{text}", &good[..cut]));
    }
}
