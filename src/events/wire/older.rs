//! Payloads of older versions of node frames, rewritten on reading.
//!
//! A node sends today's versions only, and only to who says that it reads them
//! ([`super::NODE_MIN_VERSION`]); a prover also reads an older node's.

use serde::{Deserialize, Serialize};

use super::{MAX_PAYLOAD_BYTES, Offer, Package};
use crate::{
    Height, TaskId, Zkpow,
    codec::{self, CodecError},
    event::TaskKind,
    upcast::Upcast,
};

/// Every step from a version of a node frame that is not written any more.
pub(super) const NODE_UPCASTS: &[Upcast] = &[Upcast { event_type: 10, version: 1, step: offer_without_draw }];

/// [`Offer`] of version 1.
#[derive(Serialize, Deserialize)]
struct OfferV1 {
    task: TaskId,
    attempt: u32,
    kind: TaskKind,
    segments: u32,
    bounty: Zkpow,
    assigned: Height,
    deadline: Height,
    package: Package,
}

/// Version 1 of an offer does not say how it was drawn.
fn offer_without_draw(old: &[u8]) -> Result<Vec<u8>, CodecError> {
    let OfferV1 { task, attempt, kind, segments, bounty, assigned, deadline, package } =
        codec::decode::<_, MAX_PAYLOAD_BYTES>(old)?;
    let offer = Offer { task, attempt, kind, segments, bounty, assigned, deadline, package, draw: None };
    codec::encode::<_, MAX_PAYLOAD_BYTES>(&offer)
}
