//! Little helpers of the fixed layouts: HEAD, headers, footers.

use crowdfold_events::B256;

use crate::error::Damage;

/// Reads fields one after the other from a slice whose length was checked.
pub(crate) struct Fields<'a>(pub(crate) &'a [u8]);

impl<'a> Fields<'a> {
    /// The next `N` bytes.
    pub(crate) fn take<const N: usize>(&mut self) -> Result<&'a [u8; N], Damage> {
        let short = Damage::Short { expected: N, found: self.0.len() };
        let (field, rest) = self.0.split_first_chunk().ok_or(short)?;
        self.0 = rest;
        Ok(field)
    }

    /// The next little-endian number.
    pub(crate) fn u64(&mut self) -> Result<u64, Damage> {
        Ok(u64::from_le_bytes(*self.take()?))
    }

    /// The next little-endian number.
    pub(crate) fn u32(&mut self) -> Result<u32, Damage> {
        Ok(u32::from_le_bytes(*self.take()?))
    }

    /// The next hash.
    pub(crate) fn hash(&mut self) -> Result<B256, Damage> {
        Ok(B256::from(*self.take()?))
    }
}

/// Appends the CRC-32C of all that is in `bytes` from `start` on.
pub(crate) fn push_checksum(bytes: &mut Vec<u8>, start: usize) {
    let checksum = crc32c::crc32c(&bytes[start..]);
    bytes.extend_from_slice(&checksum.to_le_bytes());
}

/// What stands before the CRC-32C at the end of `bytes`, if that fits.
pub(crate) fn checked(bytes: &[u8]) -> Result<&[u8], Damage> {
    let (body, checksum) = bytes.split_last_chunk().ok_or(Damage::Short { expected: 4, found: bytes.len() })?;
    let (expected, found) = (u32::from_le_bytes(*checksum), crc32c::crc32c(body));
    if expected != found {
        return Err(Damage::Checksum { expected, found });
    }
    Ok(body)
}
