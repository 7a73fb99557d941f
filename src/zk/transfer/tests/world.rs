//! A state of a few accounts, honest transfers on it, and payloads put together
//! by hand.

use nova_snark::frontend::{AllocatedBit, num::AllocatedNum};

use crate::{
    Scalar,
    accounts::{Address, ESCROW},
    keccak::keccak256_block,
    testing::{Instance, KitCS},
    transfer::{
        hash::{halves, integer},
        payload::{Layout, MARKS},
        rlp::mark,
        *,
    },
};

/// Any bytes do: the signature is another slot's business.
pub(super) fn key() -> [u8; 64] {
    std::array::from_fn(|i| (7 * i + 3) as u8)
}

pub(super) fn sender() -> Address {
    let digest = keccak256_block(&key()).unwrap().digest;
    digest[12..].try_into().unwrap()
}

pub(super) const KNOWN: Address = [0x11; 20];
pub(super) const UNKNOWN: Address = [0x22; 20];
pub(super) const CHAIN: u64 = 424_242;

pub(super) fn env() -> EnvFields {
    EnvFields {
        base_fee: 1_000,
        block_number: 9,
        timestamp: 1_700_000_000,
        block_gas_limit: 30_000_000,
        chain_id: CHAIN,
        prevrandao: Scalar::from(77),
        rules_version: 1,
    }
}

/// A payload that is valid on [`accounts`] in [`env`].
pub(super) fn payload(kind: TxKind) -> Payload {
    let max_fee = 5_000;
    Payload {
        kind,
        chain_id: CHAIN,
        nonce: 300,
        max_priority_fee: if kind == TxKind::DynamicFee { 20 } else { max_fee },
        max_fee,
        gas_limit: 100_000,
        to: KNOWN,
        value: 123_456_789,
        data: vec![0, 1, 0, 255],
    }
}

pub(super) const KINDS: [TxKind; 3] = [TxKind::Legacy, TxKind::AccessList, TxKind::DynamicFee];

#[derive(Clone, Copy)]
pub(super) struct World {
    pub(super) env: EnvFields,
    pub(super) nonce: u64,
    pub(super) balance: u128,
    pub(super) known: u128,
    pub(super) escrow: u128,
}

impl World {
    pub(super) fn new() -> Self {
        Self { env: env(), nonce: 300, balance: 10_u128.pow(30), known: 55, escrow: 1_000_000 }
    }

    pub(super) fn account(&self, address: Address) -> AccountView {
        let (nonce, balance) = match address {
            a if a == sender() => (self.nonce, self.balance),
            KNOWN => (4, self.known),
            ESCROW => (0, self.escrow),
            _ => {
                return AccountView { exists: false, nonce: 0, balance: 0, next: ESCROW };
            }
        };
        AccountView { exists: true, nonce, balance, next: [0; 20] }
    }

    pub(super) fn plan(&self, payload: &Payload) -> Result<TransferWitness, TransferError> {
        self.plan_bytes(&payload.encode())
    }

    pub(super) fn plan_bytes(&self, bytes: &[u8]) -> Result<TransferWitness, TransferError> {
        plan_transfer(bytes, &key(), &self.env, &|a| self.account(a))
    }
}

/// Synthesizes the slot with the selector set, on this statement.
pub(super) fn instance(w: &TransferWitness, statement: &Statement) -> Instance<TransferPorts> {
    slot(Some(w), true, statement)
}

pub(super) fn slot(
    witness: Option<&TransferWitness>,
    selected: bool,
    statement: &Statement,
) -> Instance<TransferPorts> {
    Instance::of(|cs| {
        let sel = cs.given(selected);
        let sel = AllocatedBit::alloc(&mut *cs, sel)?;
        let num = |cs: &mut KitCS, x: Scalar| AllocatedNum::alloc(cs, || Ok(x));
        let vars = StatementVars {
            data_hi: num(cs, statement.data_hi)?,
            data_lo: num(cs, statement.data_lo)?,
            sender: num(cs, statement.sender)?,
            env: num(cs, statement.env)?,
        };
        let witness = witness.filter(|_| sel.get_value().is_some());
        synthesize_transfer(cs, &sel, &vars, witness)
    })
}

/// The honest instance of a planned transfer.
pub(super) fn honest(w: &TransferWitness) -> Instance<TransferPorts> {
    instance(w, &w.statement())
}

/// The values in a port.
pub(super) fn values(port: &[AllocatedNum<Scalar>]) -> Vec<Scalar> {
    port.iter().map(|x| x.get_value().unwrap()).collect()
}

/// A payload item by item; each may be anything.
#[derive(Clone)]
pub(super) struct Raw {
    pub(super) kind: TxKind,
    pub(super) first: Vec<u8>,
    /// Replaces the list header.
    pub(super) list: Option<Vec<u8>>,
    /// By mark; what is absent is `None`.
    pub(super) items: [Option<Vec<u8>>; mark::END],
    /// Behind the legacy chain id.
    pub(super) zeros: Vec<u8>,
    /// Behind the end of the list.
    pub(super) trailing: Vec<u8>,
    /// Added to the position of the end.
    pub(super) late_end: usize,
}

/// Big-endian bytes without leading zeros.
pub(super) fn digits(number: u128) -> Vec<u8> {
    number.to_be_bytes()[number.leading_zeros() as usize / 8..].to_vec()
}

/// `0x80 + length` and the bytes, whatever they are.
pub(super) fn long(bytes: &[u8]) -> Vec<u8> {
    [&[0x80 + bytes.len() as u8], bytes].concat()
}

pub(super) fn string(bytes: &[u8]) -> Vec<u8> {
    match *bytes {
        [byte] if byte < 0x80 => vec![byte],
        _ => long(bytes),
    }
}

impl Raw {
    pub(super) fn of(payload: &Payload) -> Self {
        let number = |x: u128| Some(string(&digits(x)));
        let typed = payload.kind != TxKind::Legacy;
        let chain = number(u128::from(payload.chain_id));
        let mut items: [Option<Vec<u8>>; mark::END] = Default::default();
        items[mark::CHAIN] = chain.clone().filter(|_| typed);
        items[mark::NONCE] = number(u128::from(payload.nonce));
        let dynamic = payload.kind == TxKind::DynamicFee;
        items[mark::PRIORITY] = number(payload.max_priority_fee).filter(|_| dynamic);
        items[mark::MAX_FEE] = number(payload.max_fee);
        items[mark::GAS] = number(u128::from(payload.gas_limit));
        items[mark::TO] = Some(string(&payload.to));
        items[mark::VALUE] = number(payload.value);
        items[mark::DATA] = Some(string(&payload.data));
        items[mark::DATA_END] = if typed { Some(vec![0xc0]) } else { chain };
        Self {
            kind: payload.kind,
            first: match payload.kind {
                TxKind::Legacy => vec![],
                TxKind::AccessList => vec![1],
                TxKind::DynamicFee => vec![2],
            },
            list: None,
            items,
            zeros: if typed { vec![] } else { vec![0x80, 0x80] },
            trailing: vec![],
            late_end: 0,
        }
    }

    /// Bytes and the layout that a prover would claim.
    pub(super) fn build(&self) -> (Vec<u8>, Layout) {
        let list: usize = self.items.iter().flatten().map(Vec::len).sum();
        let list = list + self.zeros.len();
        let header =
            self.list.clone().unwrap_or(if list <= 55 { vec![0xc0 + list as u8] } else { vec![0xf8, list as u8] });
        let mut bytes = [self.first.clone(), header.clone()].concat();
        let mut starts = [None; MARKS];
        for (start, item) in starts.iter_mut().zip(&self.items) {
            if let Some(item) = item {
                *start = Some(bytes.len());
                bytes.extend(item);
            }
        }
        bytes.extend(&self.zeros);
        starts[mark::END] = Some(bytes.len() + self.late_end);
        bytes.extend(&self.trailing);
        let layout = Layout { kind: Some(self.kind), long_list: header.len() == 2, starts };
        (bytes, layout)
    }

    /// What a prover would make of these bytes who otherwise tells what `w` tells.
    pub(super) fn lie(&self, w: &TransferWitness) -> (TransferWitness, Statement) {
        let (bytes, layout) = self.build();
        let mut w = w.clone();
        let block = keccak256_block(&bytes).expect("one block");
        w.advice.bytes = [0; MAX_PAYLOAD_BYTES];
        w.advice.bytes[..bytes.len()].copy_from_slice(&bytes);
        w.advice.layout = layout;
        w.advice.outputs[0] = block.output;
        let [data_hi, data_lo] = halves(&block.digest);
        let statement = Statement { data_hi, data_lo, sender: integer(&w.sender), env: w.statement().env };
        (w, statement)
    }
}
