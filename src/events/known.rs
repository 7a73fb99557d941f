//! Signers of signatures that this thread has made itself.
//!
//! Recovering the signer of a signature costs a hundred times more than
//! looking it up. A simulated world, in which everybody signs on one thread,
//! remembers who signed what; [`crate::signing::recover`] gives the same
//! answers with and without. One in [`CHECK_EVERY`] is recovered all the same.
//! Nothing is remembered unless a [`Remembering`] is alive; a node has none.

use std::{
    cell::RefCell,
    collections::{BTreeMap, VecDeque},
};

use crate::{Address, B256};

/// One in so many answers is not taken from memory.
pub const CHECK_EVERY: u64 = 64;
/// Signatures remembered; the oldest goes first.
const KEPT: usize = 1 << 16;

/// Who made a signature.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Known {
    /// Its address.
    pub address: Address,
    /// Its public key, x and y.
    pub key: [u8; 64],
}

#[derive(Default)]
struct Memory {
    /// By r, which no two signatures share: digest, signature, signer.
    by_r: BTreeMap<B256, (B256, [u8; 65], Known)>,
    order: VecDeque<B256>,
    asked: u64,
}

thread_local! {
    static MEMORY: RefCell<Option<Memory>> = const { RefCell::new(None) };
}

/// While it lives, this thread remembers the signatures that it makes.
#[derive(Debug)]
pub struct Remembering(());

impl Remembering {
    /// Begins with an empty memory; `None` when this thread remembers already.
    #[must_use]
    pub fn begin() -> Option<Self> {
        MEMORY.with_borrow_mut(|memory| {
            if memory.is_some() {
                return None;
            }
            *memory = Some(Memory::default());
            Some(Self(()))
        })
    }
}

impl Drop for Remembering {
    fn drop(&mut self) {
        MEMORY.set(None);
    }
}

/// A signature (r, s, parity) was made over a digest.
pub fn note(digest: &B256, signature: &[u8; 65], known: impl FnOnce() -> Known) {
    MEMORY.with_borrow_mut(|memory| {
        let Some(memory) = memory else { return };
        let r = B256::from_slice(&signature[..32]);
        if memory.by_r.insert(r, (*digest, *signature, known())).is_none() {
            memory.order.push_back(r);
        }
        if memory.order.len() > KEPT
            && let Some(oldest) = memory.order.pop_front()
        {
            memory.by_r.remove(&oldest);
        }
    });
}

/// Who made a signature over a digest, if this thread did and remembers.
#[must_use]
pub fn find(digest: &B256, signature: &[u8; 65]) -> Option<Known> {
    MEMORY.with_borrow_mut(|memory| {
        let memory = memory.as_mut()?;
        memory.asked += 1;
        if memory.asked.is_multiple_of(CHECK_EVERY) {
            return None;
        }
        let (of, made, known) = memory.by_r.get(&signature[..32])?;
        (of == digest && made == signature).then_some(*known)
    })
}
