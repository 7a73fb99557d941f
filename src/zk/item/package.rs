//! Packages: the bytes of a prover's work, as a node sends them.
//!
//! Bincode with fixed-width little-endian integers and a byte limit, the same
//! configuration as everything else that is sent; a value has one encoding and
//! decoding takes all bytes or fails. Whether a package makes sense is checked
//! when the witness is planned, natively and before any work.

use serde::{Deserialize, Serialize};

use crate::item::{ItemInput, aggregate::AggregateInput};

/// Longest package, in bytes: an aggregation of 16 nodes of 16 items fits.
pub const MAX_PACKAGE_BYTES: usize = 16 << 20;

/// What a worker is to prove, with all that it needs.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[allow(clippy::large_enum_variant)] // One at a time, moved once.
pub enum WorkPackage {
    /// An item of the chain, or an admission item.
    Item(ItemInput),
    /// A node of an aggregation tree.
    Aggregate(AggregateInput),
}

/// Why bytes are not a package, or a package has no bytes.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum PackageError {
    /// More than [`MAX_PACKAGE_BYTES`].
    #[error("a package of {0} bytes, at most {MAX_PACKAGE_BYTES} are allowed")]
    TooLong(usize),
    /// Not the encoding of a package; whoever sent it is at fault.
    #[error("not a package: {0}")]
    Malformed(String),
    /// Bytes are left over after it; whoever sent it is at fault.
    #[error("{0} bytes follow the package")]
    Trailing(usize),
}

fn config() -> impl bincode::config::Config {
    bincode::config::standard().with_little_endian().with_fixed_int_encoding().with_limit::<MAX_PACKAGE_BYTES>()
}

impl WorkPackage {
    /// The package's bytes.
    ///
    /// # Errors
    /// [`PackageError::TooLong`].
    pub fn encode(&self) -> Result<Vec<u8>, PackageError> {
        let bytes =
            bincode::serde::encode_to_vec(self, config()).map_err(|e| PackageError::Malformed(e.to_string()))?;
        if bytes.len() > MAX_PACKAGE_BYTES { Err(PackageError::TooLong(bytes.len())) } else { Ok(bytes) }
    }

    /// The package that is exactly these bytes.
    ///
    /// # Errors
    /// [`PackageError`].
    pub fn decode(bytes: &[u8]) -> Result<Self, PackageError> {
        if bytes.len() > MAX_PACKAGE_BYTES {
            return Err(PackageError::TooLong(bytes.len()));
        }
        let (package, read) =
            bincode::serde::decode_from_slice(bytes, config()).map_err(|e| PackageError::Malformed(e.to_string()))?;
        if read == bytes.len() { Ok(package) } else { Err(PackageError::Trailing(bytes.len() - read)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::fixture::*;

    #[test]
    fn a_package_survives_its_bytes_and_nothing_else_decodes() {
        let mut world = World::new();
        let payload = world.payload([0x77; 20], ETHER);
        let package = WorkPackage::Item(world.transfer(&payload));
        let bytes = package.encode().unwrap();
        assert_eq!(WorkPackage::decode(&bytes).unwrap(), package);
        assert_eq!(WorkPackage::decode(&[bytes.as_slice(), &[0]].concat()), Err(PackageError::Trailing(1)));
        assert!(matches!(WorkPackage::decode(&bytes[..bytes.len() - 1]), Err(PackageError::Malformed(_))));
        assert!(matches!(WorkPackage::decode(&vec![0; MAX_PACKAGE_BYTES + 1]), Err(PackageError::TooLong(_))));
        let aggregate = WorkPackage::Aggregate(AggregateInput { children: Vec::new(), items: Vec::new() });
        assert_eq!(WorkPackage::decode(&aggregate.encode().unwrap()).unwrap(), aggregate);
    }
}
