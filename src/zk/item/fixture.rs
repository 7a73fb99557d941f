//! Items for tests: a small state, a signed transfer, a settlement.

use ff::PrimeField;
use k256::ecdsa::{SigningKey, signature::hazmat::PrehashSigner};
use sha3::{Digest, Keccak256};

use super::{EnvInput, ItemData, ItemInput};
use crate::{
    Scalar,
    accounts::{Address, ESCROW, ISSUANCE, STAKE},
    settlement::settlement_digest,
    statement::{ItemStatement, SEGMENTS_PER_TRANSFER, scalar_to_be, settlement_segments},
    transfer::{AccountView, Payload, TransferWitness, TxKind, env_digest, plan_transfer},
    tree::{Account, StateOp, StateTree},
};

/// A chain of its own: keys, state, environment.
pub(crate) struct World {
    pub(crate) key: SigningKey,
    pub(crate) tree: StateTree,
    pub(crate) env: EnvInput,
    pub(crate) position: u64,
}

pub(crate) const ETHER: u128 = 1_000_000_000_000_000_000;

impl World {
    pub(crate) fn new() -> Self {
        let key = SigningKey::from_bytes(&[7u8; 32].into()).unwrap();
        let account = |balance| Account { nonce: 0, balance };
        let mut accounts = vec![
            (ESCROW, account(5 * ETHER)),
            (ISSUANCE, account(100 * ETHER)),
            (STAKE, account(0)),
            (address(&key), account(10 * ETHER)),
            ([0x55; 20], account(ETHER)),
        ];
        accounts.sort_by_key(|(address, _)| *address);
        Self {
            key,
            tree: StateTree::from_accounts(accounts).unwrap(),
            env: EnvInput {
                base_fee: 1_000_000_000,
                block_number: 9,
                timestamp: 1_700_000_000,
                block_gas_limit: 30_000_000,
                chain_id: 7_117,
                prevrandao: scalar_to_be(&Scalar::from(77)),
                rules_version: 1,
            },
            position: 3,
        }
    }

    pub(crate) fn payload(&self, to: Address, value: u128) -> Payload {
        Payload {
            kind: TxKind::DynamicFee,
            chain_id: self.env.chain_id,
            nonce: self.tree.get(&address(&self.key)).unwrap().nonce,
            max_priority_fee: 1_000_000,
            max_fee: 3_000_000_000,
            gas_limit: 60_000,
            to,
            value,
            data: Vec::new(),
        }
    }

    fn view(&self, address: &Address) -> AccountView {
        match self.tree.get(address) {
            Some(account) => {
                AccountView { exists: true, nonce: account.nonce, balance: account.balance, next: [0; 20] }
            }
            None => {
                let next = self.tree.iter().map(|(key, _)| key).find(|key| key > address).unwrap_or([0; 20]);
                AccountView { exists: false, nonce: 0, balance: 0, next }
            }
        }
    }

    fn statement(&self) -> ItemStatement {
        ItemStatement {
            chain_id: self.env.chain_id,
            contract: [0; 20],
            position: self.position,
            pre_root: scalar_to_be(&self.tree.root()),
            post_root: [0; 32],
            data_hi: [0; 32],
            data_lo: [0; 32],
            sender: [0; 20],
            env: scalar_to_be(&env_digest(&self.env.fields().unwrap())),
            worker: [0xaa; 20],
            task: 12,
            segments: 0,
        }
    }

    /// A transfer of this payload on the current state; the state moves on.
    pub(crate) fn transfer(&mut self, payload: &Payload) -> ItemInput {
        let bytes = payload.encode();
        let point = self.key.verifying_key().to_encoded_point(false);
        let public_key: [u8; 64] = point.as_bytes()[1..].try_into().unwrap();
        let planned: TransferWitness =
            plan_transfer(&bytes, &public_key, &self.env.fields().unwrap(), &|a| self.view(&a)).unwrap();
        let (ops, after) = self.tree.prove_ops(planned.state_ops()).unwrap();
        let hash: [u8; 32] = Keccak256::digest(&bytes).into();
        let signature: k256::ecdsa::Signature = self.key.sign_prehash(&hash).unwrap();
        let signature = signature.normalize_s().unwrap_or(signature);
        let values = planned.statement();
        let statement = ItemStatement {
            post_root: scalar_to_be(&after.root()),
            data_hi: scalar_to_be(&values.data_hi),
            data_lo: scalar_to_be(&values.data_lo),
            sender: planned.sender,
            segments: SEGMENTS_PER_TRANSFER,
            ..self.statement()
        };
        self.tree = after;
        self.position += 1;
        let (r, s) = signature.split_bytes();
        ItemInput {
            statement,
            env: self.env.clone(),
            data: ItemData::Transfer {
                payload: bytes,
                r: r.into(),
                s: s.into(),
                public_key_x: public_key[..32].try_into().unwrap(),
                public_key_y: public_key[32..].try_into().unwrap(),
            },
            ops,
        }
    }

    /// A settlement of these entries on the current state; the state moves on.
    pub(crate) fn settlement(&mut self, entries: &[(Address, u128, bool)]) -> ItemInput {
        let mut after = self.tree.clone();
        let mut ops = Vec::new();
        for (address, amount, credit) in entries {
            let op = match after.get(address) {
                Some(Account { nonce, balance }) => {
                    let balance = if *credit { balance + amount } else { balance - amount };
                    StateOp::Set { address: *address, account: Account { nonce, balance } }
                }
                None => StateOp::Create { address: *address, account: Account { nonce: 0, balance: *amount } },
            };
            after.apply(&[op]).unwrap();
            ops.push(op);
        }
        let (ops, after) = self.tree.prove_ops(&ops).unwrap();
        let statement = ItemStatement {
            post_root: scalar_to_be(&after.root()),
            data_hi: scalar_to_be(&Scalar::from_u128(entries.len() as u128)),
            data_lo: scalar_to_be(&settlement_digest(&super::settlement_entries(entries))),
            segments: settlement_segments(entries.len() as u32),
            ..self.statement()
        };
        self.tree = after;
        self.position += 1;
        ItemInput { statement, env: self.env.clone(), data: ItemData::Settlement { entries: entries.to_vec() }, ops }
    }
}

pub(crate) fn address(key: &SigningKey) -> Address {
    let point = key.verifying_key().to_encoded_point(false);
    let digest: [u8; 32] = Keccak256::digest(&point.as_bytes()[1..]).into();
    digest[12..].try_into().unwrap()
}
