//! What a node tells a plugin of itself: how the chain sees it, what it holds,
//! and what blocks did to it.

use serde::{Deserialize, Serialize};

use crate::{
    B256, Height, SignedZkpow, TaskId, Zkpow,
    event::{InactiveReason, PenaltyReason},
};

/// How the chain sees the plugin.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum Standing {
    /// Never registered.
    Unknown,
    /// Registered, has not yet proven its admission item.
    Candidate,
    /// A plugin outside the active set.
    Inactive,
    /// In the active set: it is assigned work.
    Active,
    /// Its debt passed the limit.
    Suspended,
}

/// What the chain holds of a plugin after a block.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Account {
    /// The block.
    pub height: Height,
    /// How the chain sees the plugin.
    pub standing: Standing,
    /// Settled: spendable with any wallet.
    pub balance: Zkpow,
    /// Earned, not settled.
    pub accrued: Zkpow,
    /// Owed to the chain; zero while anything is accrued.
    pub debt: Zkpow,
    /// Part of `accrued` that is not settled while the plugin is active or has
    /// work; what is accrued may still be below it.
    pub bond: Zkpow,
    /// Valid proofs since the last failure.
    pub consecutive_valid: u32,
    /// Tasks that it may have at a time; 0 before it is registered.
    pub slots: u32,
    /// Valid proofs in a row with which the next slot comes; `None` when none
    /// does (the most are reached, a debt keeps it at one, not registered).
    pub next_slot_at: Option<u32>,
    /// Proofs accepted since its registration.
    pub accepted: u64,
    /// Tasks that it missed or handed back since its registration.
    pub failed: u64,
}

impl Account {
    /// Accrued less debt: what the next settlement works with. A penalty's
    /// `holding_after` has the balance on top.
    #[must_use]
    pub fn unsettled(&self) -> SignedZkpow {
        let signed = |amount: Zkpow| i128::try_from(amount.0).unwrap_or(i128::MAX);
        SignedZkpow(signed(self.accrued).saturating_sub(signed(self.debt)))
    }
}

/// Something that a block did to the plugin.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(missing_docs)] // Field names are the terms of the protocol; units are in their types.
pub enum Notice {
    Registered,
    AdmissionPassed,
    Activated,
    Deactivated { reason: InactiveReason },
    ProofAccepted { task: TaskId, proof_hash: B256 },
    Rewarded { task: TaskId, amount: Zkpow, to_debt: Zkpow },
    Penalised { task: TaskId, reason: PenaltyReason, amount: Zkpow, holding_after: SignedZkpow },
    Refunded { task: TaskId, amount: Zkpow },
    TrustChanged { consecutive_valid: u32, slots: u32 },
    Suspended { debt: Zkpow },
    Reinstated,
    MessageRefused { message: B256, reason: u16 },
    Settled { amount: Zkpow },
    AdmissionLapsed,
}

impl Notice {
    /// How the chain sees the plugin after it, if that changes.
    #[must_use]
    pub fn standing(&self) -> Option<Standing> {
        match self {
            Self::Registered => Some(Standing::Candidate),
            Self::AdmissionLapsed => Some(Standing::Unknown),
            Self::Activated => Some(Standing::Active),
            Self::Suspended { .. } | Self::Deactivated { reason: InactiveReason::Suspended } => {
                Some(Standing::Suspended)
            }
            Self::AdmissionPassed | Self::Reinstated | Self::Deactivated { .. } => Some(Standing::Inactive),
            _ => None,
        }
    }
}

/// A notice with its block.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Happened {
    /// The block.
    pub height: Height,
    /// What.
    pub notice: Notice,
}
