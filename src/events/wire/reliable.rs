//! Numbered delivery, the same for both ends of a session.
//!
//! ```text
//! send ──► kept (bounded) ──acknowledged──► dropped        take: exactly the next number
//!              └────────── resume ─────────► sent again
//! ```

use std::collections::VecDeque;

use super::{Frame, Packet};

/// A number that cannot be. The fault is the peer's.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum SequenceError {
    /// The number skips others.
    #[error("frame {found} came where {expected} was due")]
    OutOfOrder {
        /// The next number.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// The number was taken before.
    #[error("frame {found} was taken before, {expected} is due")]
    Replayed {
        /// The next number.
        expected: u64,
        /// The number found.
        found: u64,
    },
    /// A reliable frame without number, or an idempotent one with one.
    #[error("number {found} does not fit the kind of frame")]
    WrongKind {
        /// The number found.
        found: u64,
    },
    /// An acknowledgement of what was never sent, or one that goes back.
    #[error("acknowledgement {found} is not between {lowest} and {highest}")]
    BadAcknowledgement {
        /// Acknowledged before.
        lowest: u64,
        /// Sent.
        highest: u64,
        /// The number found.
        found: u64,
    },
}

/// Numbers, unacknowledged frames and what was taken from the peer.
#[derive(Clone, Debug)]
pub struct Reliable<F> {
    /// Frames that the peer has not acknowledged; the first has number
    /// `acknowledged + 1`.
    kept: VecDeque<F>,
    acknowledged: u64,
    received: u64,
    /// `received` as of the last packet sent.
    told: u64,
}

impl<F> Default for Reliable<F> {
    fn default() -> Self {
        Self { kept: VecDeque::new(), acknowledged: 0, received: 0, told: 0 }
    }
}

impl<F: Frame + Clone> Reliable<F> {
    /// Numbers a frame if it is reliable, keeps a copy, and wraps it.
    pub fn send(&mut self, frame: F) -> Packet<F> {
        self.told = self.received;
        let sequence = if frame.is_reliable() {
            self.kept.push_back(frame.clone());
            self.acknowledged + self.kept.len() as u64
        } else {
            0
        };
        Packet { sequence, acknowledged: self.received, frame }
    }

    /// Checks a packet's numbers and takes it.
    pub fn take<G: Frame>(&mut self, packet: &Packet<G>) -> Result<(), SequenceError> {
        let found = packet.sequence;
        if packet.frame.is_reliable() != (found != 0) {
            return Err(SequenceError::WrongKind { found });
        }
        let expected = self.received + 1;
        if found > expected {
            return Err(SequenceError::OutOfOrder { expected, found });
        }
        if found != 0 && found < expected {
            return Err(SequenceError::Replayed { expected, found });
        }
        self.acknowledge(packet.acknowledged)?;
        self.received = self.received.max(found);
        Ok(())
    }

    /// Drops what the peer has.
    fn acknowledge(&mut self, found: u64) -> Result<(), SequenceError> {
        let (lowest, highest) = (self.acknowledged, self.acknowledged + self.kept.len() as u64);
        if found < lowest || found > highest {
            return Err(SequenceError::BadAcknowledgement { lowest, highest, found });
        }
        self.kept.drain(..(found - lowest) as usize);
        self.acknowledged = found;
        Ok(())
    }

    /// What to send again to a peer that has taken everything up to `received`.
    pub fn resume(&mut self, received: u64) -> Result<Vec<Packet<F>>, SequenceError> {
        self.acknowledge(received)?;
        self.told = self.received;
        let (first, acknowledged) = (self.acknowledged + 1, self.received);
        Ok(self
            .kept
            .iter()
            .enumerate()
            .map(|(i, frame)| Packet { sequence: first + i as u64, acknowledged, frame: frame.clone() })
            .collect())
    }

    /// Highest number taken from the peer.
    #[must_use]
    pub fn received(&self) -> u64 {
        self.received
    }

    /// Numbers taken that no packet has told the peer of yet.
    #[must_use]
    pub fn untold(&self) -> u64 {
        self.received - self.told
    }

    /// Frames that the peer has not acknowledged.
    #[must_use]
    pub fn unacknowledged(&self) -> usize {
        self.kept.len()
    }

    /// The frames that the peer has not acknowledged, oldest first.
    pub fn kept(&self) -> impl Iterator<Item = &F> {
        self.kept.iter()
    }
}
