//! One value of every event variant and nested variant, with fields that all differ.

use crowdfold_events::{
    AccountChange, Address, B256, BatchIndex, BlockBody, BlockHeader, Commit, Event, FeeShares, Height, ItemIndex,
    Message, MessageBody, SignedMessage, SignedZkpow, TaskId, Zkpow,
    block::CommitSignature,
    event::{DrawReceipt, InactiveReason, PenaltyReason, SettlementEntry, TaskKind},
};

fn hash(byte: u8) -> B256 {
    B256::repeat_byte(byte)
}

fn address(byte: u8) -> Address {
    Address::repeat_byte(byte)
}

pub(crate) fn header() -> BlockHeader {
    BlockHeader {
        chain_id: 1,
        rules_version: 2,
        height: Height(3),
        parent: hash(4),
        time_ms: 5,
        proposer: address(6),
        beacon: hash(7),
        transactions_root: hash(8),
        messages_root: hash(9),
        last_commit_hash: hash(10),
        base_fee: 11,
        gas_limit: 12,
        gas_used: 13,
        segments: 14,
        first_item: ItemIndex(15),
        items: 16,
        pre_state_root: hash(17),
        post_state_root: hash(18),
        receipts_root: hash(19),
        market_root: hash(20),
        validators_hash: hash(21),
        next_validators_hash: hash(22),
        parent_events_head: hash(23),
    }
}

pub(crate) fn bodies() -> Vec<MessageBody> {
    vec![
        MessageBody::Register { work_height: 1, work_nonce: 2 },
        MessageBody::Heartbeat,
        MessageBody::GoInactive,
        MessageBody::SubmitProof { task: TaskId(3), proof_hash: hash(4) },
        MessageBody::SubmitAggregate { task: TaskId(5), proof_hash: hash(6) },
        MessageBody::HandBack { task: TaskId(7) },
        MessageBody::Withdraw,
        MessageBody::CertifyBatch {
            batch: BatchIndex(8),
            signatures: vec![CommitSignature { validator: address(9), signature: vec![10; 65] }],
        },
    ]
}

pub(crate) fn body() -> BlockBody {
    let messages = bodies()
        .into_iter()
        .enumerate()
        .map(|(i, body)| SignedMessage { message: Message { sequence: i as u64, body }, signature: [i as u8; 65] })
        .collect();
    BlockBody {
        last_commit: Commit {
            height: Height(1),
            header_hash: hash(2),
            signatures: vec![CommitSignature { validator: address(3), signature: vec![4; 65] }],
        },
        transactions: vec![vec![5, 6], vec![], vec![7]],
        messages,
    }
}

fn change(byte: u8) -> AccountChange {
    AccountChange { account: address(byte), nonce: u64::from(byte) + 1, balance: Zkpow(u128::from(byte) + 2) }
}

fn receipt() -> DrawReceipt {
    DrawReceipt { beacon_height: Height(1), beacon: hash(2), set_root: hash(3), candidates: 4, index: 5, rejected: 6 }
}

pub(crate) fn events() -> Vec<Event> {
    let task = TaskId(1);
    let plugin = address(2);
    let mut events = vec![
        Event::GenesisLoaded {
            genesis_hash: hash(1),
            chain_id: 2,
            rules_version: 3,
            state_root: hash(4),
            supply: Zkpow(5),
            time_ms: 6,
        },
        Event::BlockDecided { header: Box::new(header()), body: Box::new(body()) },
        Event::BlockSealed { height: Height(1), state_root: hash(2), market_root: hash(3) },
        Event::TransactionExecuted {
            item: ItemIndex(1),
            hash: hash(2),
            sender: address(3),
            to: address(4),
            value: Zkpow(5),
            gas_used: 6,
            effective_gas_price: 7,
            fee: Zkpow(8),
            segments: 9,
            pre_root: hash(10),
            post_root: hash(11),
            data_hi: hash(12),
            data_lo: hash(13),
            env: hash(14),
            changes: vec![change(15), change(16)],
            shares: FeeShares {
                proposer: Zkpow(17),
                proving: Zkpow(18),
                aggregation: Zkpow(19),
                settlement: Zkpow(20),
                posting: Zkpow(21),
            },
        },
        Event::MessageRefused { hash: hash(1), sender: plugin, sequence: 3, reason: 4 },
        Event::MessageAccepted { hash: hash(1), sender: plugin, sequence: 3 },
        Event::AdmissionLapsed { plugin, task },
        Event::SettlementApplied {
            item: ItemIndex(1),
            entries: vec![
                SettlementEntry { account: plugin, amount: Zkpow(3), credit: true },
                SettlementEntry { account: address(4), amount: Zkpow(3), credit: false },
            ],
            segments: 5,
            pre_root: hash(6),
            post_root: hash(7),
            data_lo: hash(8),
            env: hash(9),
            changes: vec![change(10)],
        },
        Event::HeartbeatsRecorded { bitmap: vec![1, 2, 3] },
        Event::PluginRegistered { plugin },
        Event::AdmissionPassed { plugin, task },
        Event::PluginActivated { plugin },
        Event::PluginSuspended { plugin, debt: Zkpow(3) },
        Event::PluginReinstated { plugin },
        Event::TrustChanged { plugin, consecutive_valid: 3, slots: 4 },
        Event::TaskAssigned {
            task,
            plugin,
            attempt: 3,
            bounty: Zkpow(4),
            from_issuance: Zkpow(6),
            deadline: Height(5),
            receipt: receipt(),
        },
        Event::TaskHandedBack { task, plugin },
        Event::ProofAccepted { task, plugin, proof_hash: hash(3) },
        Event::AggregateAccepted { task, plugin, proof_hash: hash(3) },
        Event::AssignmentTimedOut { task, plugin, deadline: Height(3) },
        Event::BountyBumped { task, bounty: Zkpow(2) },
        Event::TaskQuarantined { task, deadline: Height(2) },
        Event::PenaltyRefunded { plugin, task, amount: Zkpow(3), to_debt: Zkpow(4) },
        Event::RewardAccrued {
            plugin,
            task,
            amount: Zkpow(3),
            from_fees: Zkpow(4),
            from_issuance: Zkpow(5),
            to_debt: Zkpow(6),
        },
        Event::DebtRepaid { plugin, amount: Zkpow(3), payer: address(4) },
        Event::WithdrawRequested { plugin, fee: Zkpow(3) },
        Event::BatchClosed {
            batch: BatchIndex(1),
            first_item: ItemIndex(2),
            items: 3,
            segments: 4,
            pre_root: hash(5),
            post_root: hash(6),
        },
        Event::BatchProven { batch: BatchIndex(1), proof_hash: hash(2) },
        Event::BatchCertified { batch: BatchIndex(1), certificate_hash: hash(2) },
        Event::EpochStarted { epoch: 1, issuance_allowance: Zkpow(2), registration_work: 3 },
    ];
    for reason in [InactiveReason::Expired, InactiveReason::Requested, InactiveReason::Suspended] {
        events.push(Event::PluginDeactivated { plugin, reason });
    }
    for kind in [
        TaskKind::Prove { item: ItemIndex(2) },
        TaskKind::Admission { plugin, admission_item: 3 },
        TaskKind::Aggregate { batch: BatchIndex(2), level: 3, position: 4, first_item: ItemIndex(5), items: 6 },
    ] {
        events.push(Event::TaskOpened { task, kind, segments: 7, base_bounty: Zkpow(8), funded: Zkpow(9) });
    }
    for reason in [PenaltyReason::Timeout, PenaltyReason::HandBack] {
        events.push(Event::PenaltyCharged {
            plugin,
            task,
            reason,
            amount: Zkpow(3),
            from_accrued: Zkpow(4),
            to_debt: Zkpow(5),
            holding_after: SignedZkpow(-6),
        });
    }
    events
}
