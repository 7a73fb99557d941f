//! `crowdfold key`: secp256k1 keys in files of 64 hexadecimal digits.

use std::path::{Path, PathBuf};

use crowdfold_events::Signer;
use rand::RngCore;
use serde_json::json;

use super::{Failure, Output, read_text, unusable, write_new};

#[derive(Debug, clap::Subcommand)]
pub(super) enum Command {
    /// Make a key and write it to a new file that only its owner may read.
    New {
        /// The file; it must not exist.
        file: PathBuf,
    },
    /// Show the address of a key file.
    Show {
        /// The file.
        file: PathBuf,
    },
}

pub(super) fn run(command: Command, output: Output) -> Result<(), Failure> {
    let (file, signer) = match command {
        Command::New { file } => {
            let (secret, signer) = fresh();
            write_new(&file, format!("0x{}\n", hex::encode(secret)).as_bytes(), true)?;
            (file, signer)
        }
        Command::Show { file } => {
            let signer = read_key(&file)?;
            (file, signer)
        }
    };
    let address = signer.address();
    output.result(&json!({ "address": address, "file": file }), address)
}

/// A key that nobody knows.
fn fresh() -> ([u8; 32], Signer) {
    loop {
        let mut secret = [0; 32];
        rand::rngs::OsRng.fill_bytes(&mut secret);
        if let Ok(signer) = Signer::from_bytes(&secret) {
            return (secret, signer);
        }
    }
}

/// The key of a file. Its content is never part of an error.
pub(super) fn read_key(path: &Path) -> Result<Signer, Failure> {
    let text = read_text(path)?;
    let digits = text.trim();
    let bytes = hex::decode(digits.strip_prefix("0x").unwrap_or(digits));
    let secret: Option<[u8; 32]> = bytes.ok().and_then(|bytes| bytes.try_into().ok());
    let secret = secret.ok_or_else(|| unusable(path.display(), "not 64 hexadecimal digits"))?;
    Signer::from_bytes(&secret).map_err(|error| unusable(path.display(), error))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_new_key_is_read_again_and_never_overwritten() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        run(Command::New { file: file.clone() }, Output { json: true }).unwrap();
        let text = std::fs::read_to_string(&file).unwrap();
        assert!(read_key(&file).is_ok());
        assert!(matches!(run(Command::New { file: file.clone() }, Output { json: true }), Err(Failure::Unusable(_))));
        assert_eq!(std::fs::read_to_string(&file).unwrap(), text);
        #[cfg(unix)]
        {
            use std::os::unix::fs::PermissionsExt;
            assert_eq!(std::fs::metadata(&file).unwrap().permissions().mode() & 0o777, 0o600);
        }
        for bad in ["", "0x12", &"0".repeat(64), &"f".repeat(64)] {
            std::fs::write(&file, bad).unwrap();
            assert!(matches!(read_key(&file), Err(Failure::Unusable(_))), "{bad}");
        }
    }
}
