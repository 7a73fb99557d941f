//! Newtypes: what a number means is part of its type.

use serde::{Deserialize, Serialize};

pub use alloy_primitives::{Address, B256};

macro_rules! index {
    ($(#[$doc:meta])* $name:ident) => {
        $(#[$doc])*
        #[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(transparent)]
        pub struct $name(pub u64);

        impl $name {
            /// The next value; saturates at `u64::MAX`, which no chain reaches.
            #[must_use]
            pub fn next(self) -> Self {
                Self(self.0.saturating_add(1))
            }
        }

        impl core::fmt::Display for $name {
            fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
                self.0.fmt(f)
            }
        }
    };
}

index!(
    /// Number of a block; genesis is 0, the first decided block is 1.
    Height
);
index!(
    /// Number of an item (a user transaction or a settlement) in the chain's total order, from 0.
    ItemIndex
);
index!(
    /// Number of a task, in the order in which tasks were opened, from 1.
    TaskId
);
index!(
    /// Number of a batch (proven block), from 0.
    BatchIndex
);
index!(
    /// Number of an event in the canonical stream, from 0.
    EventSeq
);

/// An amount of ZKPoW in its smallest unit (10^-18 ZKPoW). The whole supply is below 2^127.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Zkpow(pub u128);

impl Zkpow {
    /// Nothing.
    pub const ZERO: Self = Self(0);

    /// Sum, or `None` past `u128::MAX`.
    #[must_use]
    pub fn checked_add(self, other: Self) -> Option<Self> {
        self.0.checked_add(other.0).map(Self)
    }

    /// Difference, or `None` below zero.
    #[must_use]
    pub fn checked_sub(self, other: Self) -> Option<Self> {
        self.0.checked_sub(other.0).map(Self)
    }

    /// Difference, zero where it would be negative.
    #[must_use]
    pub fn saturating_sub(self, other: Self) -> Self {
        Self(self.0.saturating_sub(other.0))
    }
}

impl core::fmt::Display for Zkpow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}

/// A signed holding, `balance + accrued - debt`, in the smallest unit.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct SignedZkpow(pub i128);

impl core::fmt::Display for SignedZkpow {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        self.0.fmt(f)
    }
}
