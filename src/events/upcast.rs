//! Payloads of older versions, rewritten as the next version on reading.
//!
//! A layout that was ever written stays readable: when an event's fields
//! change, its entry in the [`crate::tagged`] table gets the next version and
//! [`UPCASTS`] a step from the version before. Stored bytes are never
//! rewritten, and hashes are over stored bytes, so an upcast changes no hash.
//! A step sees the payload alone: what an old event does not say is given a
//! fixed value, never one from outside.

use std::borrow::Cow;

use crate::codec::CodecError;

/// Rewrites one type's payload from one version to the next.
#[derive(Clone, Copy, Debug)]
pub struct Upcast {
    /// Stable number of the type.
    pub event_type: u32,
    /// The version that it reads, from 1; it writes the next.
    pub version: u16,
    /// Payload to payload. Fails on bytes that were never such a payload.
    pub step: fn(&[u8]) -> Result<Vec<u8>, CodecError>,
}

/// Every step from a version that was written once and is not any more. No
/// event has changed since the first version, so there is none.
pub const UPCASTS: &[Upcast] = &[];

/// Applies the steps of a type from `version` on; returns the version reached.
pub(crate) fn upcast<'a>(
    steps: &[Upcast],
    event_type: u32,
    mut version: u16,
    payload: &'a [u8],
) -> Result<(u16, Cow<'a, [u8]>), CodecError> {
    let mut payload = Cow::Borrowed(payload);
    // Ends: the version grows with every step.
    while let Some(upcast) = steps.iter().find(|u| u.event_type == event_type && u.version == version) {
        let Some(next) = version.checked_add(1) else { break };
        payload = Cow::Owned((upcast.step)(&payload)?);
        version = next;
    }
    Ok((version, payload))
}

#[cfg(test)]
#[allow(clippy::unwrap_used, dead_code, unreachable_pub)]
mod tests {
    use super::*;
    use crate::{Event, codec};

    /// A type after two changes of a layout.
    #[derive(Debug, PartialEq)]
    enum Changed {
        /// Version 1 had `amount: u32` alone, version 2 made it a `u64`, version 3 added `note`.
        Paid { amount: u64, note: u8 },
        /// Never changed.
        Kept { amount: u32 },
    }

    crate::tagged! { Changed, 64;
        7 v 3 => Paid { amount, note },
        8 v 1 => Kept { amount },
    }

    const STEPS: &[Upcast] = &[
        Upcast {
            event_type: 7,
            version: 2,
            step: |old| codec::encode::<_, 64>(&(codec::decode::<u64, 64>(old)?, 9u8)),
        },
        Upcast {
            event_type: 7,
            version: 1,
            step: |old| codec::encode::<_, 64>(&u64::from(codec::decode::<u32, 64>(old)?)),
        },
    ];

    fn read(tag: u32, version: u16, payload: &[u8]) -> Result<Changed, CodecError> {
        let (version, payload) = upcast(STEPS, tag, version, payload)?;
        Changed::decode_parts(tag, version, &payload)
    }

    #[test]
    fn older_bytes_are_read_as_what_they_mean_today() {
        // Golden bytes of each version.
        assert_eq!(read(7, 1, &[5, 0, 0, 0]), Ok(Changed::Paid { amount: 5, note: 9 }));
        assert_eq!(read(7, 2, &[5, 0, 0, 0, 1, 0, 0, 0]), Ok(Changed::Paid { amount: (1 << 32) + 5, note: 9 }));
        assert_eq!(read(7, 3, &[5, 0, 0, 0, 0, 0, 0, 0, 4]), Ok(Changed::Paid { amount: 5, note: 4 }));
        assert_eq!(read(8, 1, &[5, 0, 0, 0]), Ok(Changed::Kept { amount: 5 }));
        // What is written is the newest.
        let (tag, version, payload) = Changed::Paid { amount: 5, note: 4 }.encode_parts().unwrap();
        assert_eq!((tag, version, payload.len()), (7, 3, 9));
    }

    #[test]
    fn bytes_that_no_version_wrote_are_refused() {
        assert_eq!(read(7, 1, &[5, 0, 0]), Err(CodecError::Truncated { needed: 1 }));
        assert_eq!(read(7, 1, &[5, 0, 0, 0, 0]), Err(CodecError::Trailing { extra: 1 }));
        assert_eq!(read(7, 0, &[]), Err(CodecError::UnknownType { tag: 7, version: 0 }));
        assert_eq!(read(7, 4, &[]), Err(CodecError::UnknownType { tag: 7, version: 4 }));
        assert_eq!(read(8, 2, &[5, 0, 0, 0]), Err(CodecError::UnknownType { tag: 8, version: 2 }));
        let endless = Upcast { event_type: 1, version: u16::MAX, step: |old| Ok(old.to_vec()) };
        assert_eq!(upcast(&[endless], 1, u16::MAX, &[3]).unwrap().0, u16::MAX);
    }

    #[test]
    fn every_version_before_todays_has_a_step() {
        for (tag, version) in Event::TAGS {
            for old in 1..*version {
                let steps = UPCASTS.iter().filter(|u| u.event_type == *tag && u.version == old).count();
                assert_eq!(steps, 1, "type {tag} version {old}");
            }
        }
        for step in UPCASTS {
            let is_old = |(tag, version): &(u32, u16)| *tag == step.event_type && step.version < *version;
            assert!(Event::TAGS.iter().any(is_old), "{step:?} leads to nothing that is known");
        }
    }
}
