//! What the demonstration has shown, for a program and for a person.

use std::fmt::Write as _;

use alloy_primitives::{Address, B256};
use crowdfold_batch::BatchReport;
use crowdfold_events::{SignedZkpow, Zkpow};
use serde::{Serialize, Serializer};

use super::watch::{signed_zkpow, zkpow};

/// The summary. Amounts are decimal strings in the smallest unit.
#[derive(Clone, Debug, Serialize)]
pub struct Summary {
    /// The demonstration's transactions in order of sending.
    pub transactions: Vec<TransactionSummary>,
    /// Every penalty that was charged.
    pub penalties: Vec<PenaltySummary>,
    /// The batches with the transactions, taken together.
    pub batch: BatchSummary,
    /// Conservation of the supply.
    pub supply: SupplySummary,
    /// The journal.
    pub journal: JournalSummary,
    /// What each prover has at the end.
    pub provers: Vec<ProverSummary>,
    /// Files that `crowdfold batch verify` accepts, and the genesis for it.
    pub files: FileSummary,
}

/// One transaction.
#[derive(Clone, Debug, Serialize)]
pub struct TransactionSummary {
    /// Keccak-256 of the raw transaction.
    pub hash: B256,
    /// `aggregated` when its batch is proven, else where it stands.
    pub status: String,
    /// Who proved it.
    pub worker: Option<Address>,
    /// Assignments that it took.
    pub attempts: u32,
    /// What the proof paid.
    #[serde(serialize_with = "decimal")]
    pub bounty: Zkpow,
    /// From the offer to the upload of the proof, in milliseconds.
    pub prove_ms: Option<u64>,
    /// Verification by the node, in milliseconds.
    pub verify_ms: Option<u64>,
    /// The node's check for the canonical witness, in milliseconds.
    pub canonical_ms: Option<u64>,
    /// Bytes of the proof.
    pub proof_bytes: Option<usize>,
    /// Segments of the proof.
    pub segments: u32,
}

/// One penalty.
#[derive(Clone, Debug, Serialize)]
pub struct PenaltySummary {
    /// Who paid.
    pub plugin: Address,
    /// `timeout` or `hand_back`.
    pub reason: &'static str,
    /// The task it was for.
    pub task: u64,
    /// How much.
    #[serde(serialize_with = "decimal")]
    pub amount: Zkpow,
    /// The signed holding after it.
    #[serde(serialize_with = "signed")]
    pub balance_after: SignedZkpow,
}

/// The batches with the transactions, as one run of items.
#[derive(Clone, Debug, Serialize)]
pub struct BatchSummary {
    /// Number of batches.
    pub batches: usize,
    /// Items of all.
    pub items: usize,
    /// Segments of all.
    pub segments: u32,
    /// State root before the first.
    pub pre_root: B256,
    /// State root after the last.
    pub post_root: B256,
    /// Bytes of all proofs.
    pub proof_bytes: usize,
    /// Every file was verified, by the code of `crowdfold batch verify`.
    pub verified: bool,
    /// Every batch's certificate is on the chain.
    pub certified: bool,
}

/// The supply.
#[derive(Clone, Debug, Serialize)]
pub struct SupplySummary {
    /// Sum of all balances at genesis.
    #[serde(serialize_with = "decimal")]
    pub genesis: Zkpow,
    /// Sum of all balances now.
    #[serde(serialize_with = "decimal")]
    pub now: Zkpow,
    /// They are equal, and the escrow covers what it owes.
    pub conserved: bool,
    /// Rewards earned and not settled yet; the escrow covers them.
    #[serde(serialize_with = "decimal")]
    pub accrued: Zkpow,
    /// Debts of provers.
    #[serde(serialize_with = "decimal")]
    pub debt: Zkpow,
}

/// The journal.
#[derive(Clone, Debug, Serialize)]
pub struct JournalSummary {
    /// Number of events.
    pub events: u64,
    /// Head of their chain.
    pub head: B256,
}

/// A prover at the end.
#[derive(Clone, Debug, Serialize)]
pub struct ProverSummary {
    /// Its address.
    pub plugin: Address,
    /// `prover 1`, …, `saboteur`, `browser`.
    pub name: String,
    /// Whether it is the browser plugin in a Chromium.
    pub browser: bool,
    /// Sum of its rewards.
    #[serde(serialize_with = "decimal")]
    pub earned: Zkpow,
    /// Proofs accepted from it.
    pub accepted: u64,
    /// Tasks it failed.
    pub failed: u64,
    /// Settled.
    #[serde(serialize_with = "decimal")]
    pub balance: Zkpow,
    /// Earned, not settled yet.
    #[serde(serialize_with = "decimal")]
    pub accrued: Zkpow,
    /// Owed.
    #[serde(serialize_with = "decimal")]
    pub debt: Zkpow,
}

/// Paths.
#[derive(Clone, Debug, Serialize)]
pub struct FileSummary {
    /// The genesis.
    pub genesis: String,
    /// The batch files in order.
    pub batches: Vec<String>,
}

fn decimal<S: Serializer>(amount: &Zkpow, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&amount.0)
}

fn signed<S: Serializer>(amount: &SignedZkpow, s: S) -> Result<S::Ok, S::Error> {
    s.collect_str(&amount.0)
}

impl BatchSummary {
    /// Of verified batches that follow each other; `certified` as the chain says.
    pub(super) fn of(reports: &[BatchReport], certified: bool) -> Self {
        Self {
            batches: reports.len(),
            items: reports.iter().map(|r| r.items.len()).sum(),
            segments: reports.iter().map(|r| r.segments).sum(),
            pre_root: reports.first().map_or(B256::ZERO, |r| r.pre_root),
            post_root: reports.last().map_or(B256::ZERO, |r| r.post_root),
            proof_bytes: reports.iter().map(|r| r.proof_bytes).sum(),
            verified: !reports.is_empty(),
            certified,
        }
    }
}

impl Summary {
    /// What went wrong, if the demonstration has not shown what it should.
    #[must_use]
    pub fn shortfall(&self) -> Option<&'static str> {
        let is_aggregated = |t: &TransactionSummary| t.status == "aggregated";
        [
            (self.transactions.iter().all(is_aggregated), "a transaction is not aggregated"),
            (self.batch.verified, "no batch is verified"),
            (self.batch.certified, "a batch is not certified"),
            (self.supply.conserved, "the supply is not conserved"),
            (self.provers.iter().all(|p| !p.browser || p.earned.0 > 0), "the browser earned nothing"),
            (self.penalties.iter().any(|p| p.balance_after.0 < 0), "no penalty led to a negative holding"),
        ]
        .into_iter()
        .find_map(|(ok, what)| (!ok).then_some(what))
    }

    /// The tables for a person.
    #[must_use]
    pub fn table(&self) -> String {
        let mut out = String::new();
        let mut row = |cells: std::fmt::Arguments<'_>| out.write_fmt(format_args!("{cells}\n")).unwrap_or_default();
        let name = |address: &Address| {
            let prover = self.provers.iter().find(|p| p.plugin == *address);
            prover.map_or_else(|| address.to_string(), |p| p.name.clone())
        };
        let number = |n: Option<u64>| n.map_or("-".to_owned(), |n| n.to_string());
        row(format_args!(
            "{:<14} {:<11} {:<10} {:>8} {:>24} {:>9} {:>9} {:>12} {:>11} {:>8}",
            "transaction",
            "status",
            "prover",
            "attempts",
            "bounty",
            "prove ms",
            "verify ms",
            "canonical ms",
            "proof bytes",
            "segments"
        ));
        for t in &self.transactions {
            let hash = t.hash.to_string();
            row(format_args!(
                "{:<14} {:<11} {:<10} {:>8} {:>24} {:>9} {:>9} {:>12} {:>11} {:>8}",
                format!("{}…", &hash[..12]),
                t.status,
                t.worker.as_ref().map_or("-".to_owned(), name),
                t.attempts,
                zkpow(t.bounty),
                number(t.prove_ms),
                number(t.verify_ms),
                number(t.canonical_ms),
                number(t.proof_bytes.map(|n| n as u64)),
                t.segments,
            ));
        }
        row(format_args!(""));
        for p in &self.penalties {
            row(format_args!(
                "penalty ({}): {} pays {}, holding after it {}",
                p.reason,
                name(&p.plugin),
                zkpow(p.amount),
                signed_zkpow(p.balance_after)
            ));
        }
        for p in &self.provers {
            row(format_args!(
                "{:<10} {} proofs accepted, {} failed; earned {}: settled {}, still accrued {}, owed {}",
                p.name,
                p.accepted,
                p.failed,
                zkpow(p.earned),
                zkpow(p.balance),
                zkpow(p.accrued),
                zkpow(p.debt)
            ));
        }
        let b = &self.batch;
        row(format_args!(
            "batch      {} items in {} file(s), {} segments, proof {} bytes; verified: {}, certified: {}",
            b.items, b.batches, b.segments, b.proof_bytes, b.verified, b.certified
        ));
        row(format_args!("           from {} to {}", b.pre_root, b.post_root));
        row(format_args!(
            "supply     {} at genesis, {} now; conserved: {}",
            zkpow(self.supply.genesis),
            zkpow(self.supply.now),
            self.supply.conserved
        ));
        row(format_args!("journal    {} events, head {}", self.journal.events, self.journal.head));
        for file in &self.files.batches {
            row(format_args!("verify     crowdfold batch verify {file} --genesis {}", self.files.genesis));
        }
        out
    }
}
