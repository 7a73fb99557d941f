//! Tests of the file: its encoding here, a real batch in `real`.

mod real;
mod world;

use proptest::prelude::*;

use crate::*;
use world::{blank_proof, env};

fn transfer(seed: u8) -> FileItem {
    FileItem {
        data: FileData::Transfer {
            payload: vec![seed; 1 + usize::from(seed % 135)],
            sender: Address::repeat_byte(seed),
        },
        worker: Address::repeat_byte(1),
        task: TaskId(u64::from(seed)),
        post_root: B256::with_last_byte(seed),
    }
}

fn settlement(seed: u8) -> FileItem {
    let entry = |i: u8| SettlementEntry {
        account: Address::repeat_byte(i),
        amount: crowdfold_events::Zkpow(u128::from(i) + 1),
        credit: i.is_multiple_of(2),
    };
    let entries = (0..=seed % 128).map(entry).collect();
    FileItem { data: FileData::Settlement { entries }, ..transfer(seed) }
}

fn file(blocks: Vec<Vec<FileItem>>, signatures: u8) -> BatchFile {
    let segments: Vec<u32> = blocks.iter().flatten().map(FileItem::segments).collect();
    let block = |(number, items): (usize, Vec<FileItem>)| FileBlock { env: env(number as u64), items };
    BatchFile {
        chain_id: 7710,
        genesis_hash: B256::repeat_byte(3),
        rules_version: 1,
        contract: Address::repeat_byte(4),
        batch: BatchIndex(5),
        first_item: ItemIndex(6),
        pre_root: B256::repeat_byte(7),
        last_header: B256::repeat_byte(8),
        blocks: blocks.into_iter().enumerate().map(block).collect(),
        proof: blank_proof(8, &segments),
        certificate: (1..=signatures)
            .map(|i| ValidatorSignature { validator: Address::repeat_byte(i), signature: [i; 65] })
            .collect(),
    }
}

fn items() -> impl Strategy<Value = Vec<FileItem>> {
    prop::collection::vec((any::<bool>(), any::<u8>()), 1..4).prop_map(|items| {
        items.into_iter().map(|(s, seed)| if s { settlement(seed) } else { transfer(seed) }).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(48))]

    #[test]
    fn files_survive_their_bytes(blocks in prop::collection::vec(items(), 1..5), signatures in 1u8..5) {
        let file = file(blocks, signatures);
        prop_assert_eq!(BatchFile::decode(&file.encode()).unwrap(), file);
    }

    #[test]
    fn what_decodes_encodes_to_the_same_bytes(
        changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..3),
    ) {
        let mut bytes = file(vec![vec![transfer(3)], vec![settlement(2), transfer(9)]], 1).encode();
        for (place, byte) in changes {
            let place = place.index(bytes.len());
            bytes[place] = byte;
        }
        if let Ok(file) = BatchFile::decode(&bytes) {
            prop_assert_eq!(file.encode(), bytes);
        }
    }

    #[test]
    fn arbitrary_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..512), headed in any::<bool>()) {
        let bytes = if headed { [b"CFBATCH\x01".as_slice(), &bytes].concat() } else { bytes };
        prop_assert!(BatchFile::decode(&bytes).is_err());
    }
}

#[test]
fn every_prefix_and_every_longer_file_is_refused() {
    let bytes = file(vec![vec![transfer(3)], vec![settlement(2)]], 1).encode();
    for length in 0..bytes.len() {
        assert!(BatchFile::decode(&bytes[..length]).is_err(), "{length}");
    }
    assert!(BatchFile::decode(&[bytes.as_slice(), &[0]].concat()).is_err());
}

#[test]
fn values_out_of_bounds_are_named() {
    let value = |file: BatchFile, field: &str| match BatchFile::decode(&file.encode()) {
        Err(BatchFileError::Value { field: found, .. }) => assert_eq!(found, field),
        other => panic!("{field}: {other:?}"),
    };
    let good = || file(vec![vec![transfer(3)]], 1);
    let with = |change: fn(&mut BatchFile)| {
        let mut file = good();
        change(&mut file);
        file
    };
    value(with(|f| f.blocks.clear()), "blocks");
    value(with(|f| f.blocks[0].items.clear()), "items");
    value(with(|f| f.certificate.clear()), "signatures");
    let payload = |length: usize| {
        let mut file = good();
        file.blocks[0].items[0].data = FileData::Transfer { payload: vec![1; length], sender: Address::ZERO };
        file
    };
    value(payload(0), "payload length");
    value(payload(136), "payload length");
    value(with(|f| f.blocks[0].items[0].data = FileData::Settlement { entries: Vec::new() }), "settlement entries");
    let mut bytes = good().encode();
    let kind = bytes.len() - good().proof.encode().len() - 1 - 85 - 60 - 20 - 4 - 2;
    assert_eq!(bytes[kind], 1);
    bytes[kind] = 3;
    assert!(matches!(BatchFile::decode(&bytes), Err(BatchFileError::Value { field: "kind of item", found: 3, .. })));
    bytes[0] ^= 1;
    assert!(matches!(BatchFile::decode(&bytes), Err(BatchFileError::Magic)));

    let mut twice = file(vec![vec![transfer(3)], vec![transfer(4)]], 1);
    twice.blocks[1].env = twice.blocks[0].env.clone();
    assert!(matches!(BatchFile::decode(&twice.encode()), Err(BatchFileError::SameEnvironment(1))));
}

#[test]
fn pushed_items_share_the_block_of_their_environment() {
    let mut file = file(vec![vec![transfer(3)]], 1);
    file.push(&env(0), transfer(4));
    file.push(&env(1), transfer(5));
    assert_eq!(file.blocks.iter().map(|b| b.items.len()).collect::<Vec<_>>(), [2, 1]);
    assert_eq!(file.items().count(), 3);
}
