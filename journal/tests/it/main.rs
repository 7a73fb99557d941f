//! All stores against one suite; the store on disk against power cuts, kills
//! and damage; trees, checkpoints and exports against forgery.

mod checkpoint;
mod conformance;
mod copies;
mod damage;
mod faults;
mod faulty;
mod following;
mod hostile;
mod kill9;
mod mending_cut;
mod merkle_file;
mod merkle_log;
mod power;
mod power_cuts;
mod seals;
mod store;

use crowdfold_events::{B256, Event, Height, StoredEvent, TaskId, Zkpow, encode_event};
use crowdfold_journal::Frame;

/// A scratch folder, in memory where there is such a place: what these tests
/// show does not depend on the real disk, and it makes them some 40 times faster.
pub(crate) fn scratch() -> tempfile::TempDir {
    static IN_MEMORY: std::sync::Once = std::sync::Once::new();
    IN_MEMORY.call_once(|| {
        let memory = std::path::Path::new("/dev/shm");
        if memory.is_dir() {
            tempfile::env::override_temp_dir(memory).unwrap();
        }
    });
    tempfile::tempdir().unwrap()
}

pub(crate) fn genesis() -> Frame {
    Frame::new(vec![stored(&Event::GenesisLoaded {
        genesis_hash: B256::repeat_byte(1),
        chain_id: 2,
        rules_version: 3,
        state_root: B256::repeat_byte(4),
        supply: Zkpow(5),
        time_ms: 6,
    })])
    .unwrap()
}

pub(crate) fn stored(event: &Event) -> StoredEvent {
    encode_event(event).unwrap()
}

pub(crate) fn sealed(height: u64) -> StoredEvent {
    stored(&Event::BlockSealed { height: Height(height), state_root: B256::ZERO, market_root: B256::ZERO })
}

/// A block of `events` events, the seal included, that differ by height.
pub(crate) fn block(height: u64, events: usize) -> Frame {
    let bump = |i: usize| stored(&Event::BountyBumped { task: TaskId(height), bounty: Zkpow(i as u128) });
    Frame::new((1..events).map(bump).chain([sealed(height)]).collect()).unwrap()
}

/// A block with about this many bytes.
pub(crate) fn wide_block(height: u64, bytes: usize) -> Frame {
    let wide = stored(&Event::HeartbeatsRecorded { bitmap: vec![height as u8; bytes] });
    Frame::new(vec![wide, sealed(height)]).unwrap()
}
