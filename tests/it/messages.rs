//! The rules of the pool of system messages.

use crowdfold::{
    actors::sequencer::MessagePool,
    rpc::{ChainIndex, kernel_view::genesis_index},
};
use crowdfold_events::{
    Address, B256, Message, MessageBody, SignedMessage, Signer, SigningDomain, TaskId, wire::Code, work,
};
use crowdfold_kernel::{Kernel, State};

use crate::world::{genesis, signer};

struct Pool {
    pool: MessagePool,
    state: State,
    index: ChainIndex,
}

fn proof(task: u64) -> MessageBody {
    MessageBody::SubmitProof { task: TaskId(task), proof_hash: B256::ZERO }
}

impl Pool {
    fn new() -> Self {
        Self::with(|_| {})
    }

    fn with(change: impl FnOnce(&mut crowdfold_config::Genesis)) -> Self {
        let mut genesis = genesis();
        change(&mut genesis);
        let (state, _) = Kernel::genesis(&genesis).unwrap();
        let index = genesis_index(&state);
        Self { pool: MessagePool::default(), state, index }
    }

    fn add(&mut self, who: &Signer, sequence: u64, body: MessageBody) -> Result<(), Code> {
        let domain = SigningDomain::new(self.state.genesis().chain_id, self.state.genesis_hash());
        let message = Message { sequence, body };
        let digest = domain.message(&message);
        let signed = who.sign_message(&domain, message);
        self.pool.insert(who.address(), digest, signed, &self.state, &self.index)
    }

    fn order(&self) -> Vec<u64> {
        let messages: Vec<SignedMessage> = self.pool.candidates(&self.state);
        messages.iter().map(|m| m.message.sequence).collect()
    }
}

#[test]
fn sequences_only_rise_and_the_same_message_may_come_again() {
    let mut pool = Pool::new();
    let one = signer(1);
    assert_eq!(pool.add(&one, 0, MessageBody::Heartbeat), Err(Code::StaleSequence));
    assert_eq!(pool.add(&one, 5, MessageBody::Heartbeat), Ok(()));
    assert_eq!(pool.add(&one, 5, MessageBody::Heartbeat), Ok(()), "sent again after a reconnect");
    assert_eq!(pool.add(&one, 5, MessageBody::GoInactive), Err(Code::StaleSequence));
    assert_eq!(pool.add(&one, 4, MessageBody::Heartbeat), Err(Code::StaleSequence));
    assert_eq!(pool.add(&one, 9, MessageBody::GoInactive), Ok(()), "gaps are allowed");
    assert_eq!(pool.order(), [5, 9]);
}

#[test]
fn a_sender_has_few_places() {
    let mut pool = Pool::new();
    let one = signer(1);
    for sequence in 1..=16 {
        pool.add(&one, sequence, MessageBody::Heartbeat).unwrap();
    }
    assert_eq!(pool.add(&one, 17, MessageBody::Heartbeat), Err(Code::TooManyMessages));
    assert_eq!(pool.add(&signer(2), 1, MessageBody::Heartbeat), Ok(()));
    let most = genesis().params.block.max_messages_per_sender as usize;
    assert_eq!(pool.order().len(), most + 1, "a block takes so many of one sender");
}

/// A proof that has to wait holds up what its sender signed later, because a
/// later sequence in a block would make it worthless.
#[test]
fn proofs_beyond_the_budget_wait_with_all_that_follows_them() {
    let mut pool = Pool::with(|genesis| genesis.params.block.max_proofs = 1);
    let (one, two) = (signer(1), signer(2));
    pool.add(&one, 11, proof(1)).unwrap();
    pool.add(&two, 21, MessageBody::Heartbeat).unwrap();
    pool.add(&two, 22, proof(2)).unwrap();
    pool.add(&two, 23, MessageBody::Heartbeat).unwrap();
    pool.add(&one, 12, MessageBody::Heartbeat).unwrap();
    assert_eq!(pool.order(), [11, 21, 12]);
}

#[test]
fn a_heartbeat_alone_is_not_urgent() {
    let mut pool = Pool::new();
    pool.add(&signer(1), 1, MessageBody::Heartbeat).unwrap();
    assert!(!pool.pool.is_urgent());
    pool.add(&signer(2), 1, MessageBody::Withdraw).unwrap();
    assert!(pool.pool.is_urgent());
}

#[test]
fn a_registration_shows_its_work_first() {
    let mut pool = Pool::with(|genesis| {
        genesis.params.plugins.initial_registration_work = 1000;
    });
    let (chain_id, head) = (pool.state.genesis().chain_id, pool.state.head());
    let who: Address = signer(1).address();
    let nonce = work::solve(chain_id, who, head, 1000, 0, 1 << 20).unwrap();
    let body = |height, nonce| MessageBody::Register { work_height: height, work_nonce: nonce };
    let lazy = (0..).find(|n| work::score(chain_id, who, head, *n) > work::threshold(1000)).unwrap();
    assert_eq!(pool.add(&signer(1), 1, body(0, lazy)), Err(Code::NotAcceptedByRules));
    assert_eq!(pool.add(&signer(1), 1, body(7, nonce)), Err(Code::NotAcceptedByRules), "no such block");
    assert_eq!(pool.add(&signer(1), 1, body(0, nonce)), Ok(()));
}
