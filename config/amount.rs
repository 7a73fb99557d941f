//! Amounts as a person writes them.

use std::{fmt, str::FromStr};

use crowdfold_events::Zkpow;
use serde::{Deserialize, Deserializer, Serialize, Serializer, de::Error as _};

const DECIMALS: usize = 18;

/// An amount of ZKPoW. In TOML a string: `"12.5 ZKPoW"` or the number of smallest units, `"12500000000000000000"`.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord)]
pub struct Amount(pub Zkpow);

/// Why a string is not an amount. The operator's fault.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "`{text}` is not an amount: write \"12.5 ZKPoW\" (at most 18 decimals) or a whole number of smallest units below 2^127"
)]
pub struct AmountError {
    /// What was written.
    pub text: String,
}

impl Amount {
    /// Smallest units.
    #[must_use]
    pub fn units(self) -> u128 {
        self.0.0
    }
}

impl FromStr for Amount {
    type Err = AmountError;

    fn from_str(text: &str) -> Result<Self, AmountError> {
        parse(text)
            .filter(|units| *units < 1 << 127)
            .map(|units| Self(Zkpow(units)))
            .ok_or_else(|| AmountError { text: text.to_owned() })
    }
}

fn digits(text: &str) -> Option<u128> {
    if text.is_empty() || !text.bytes().all(|b| b.is_ascii_digit()) {
        return None;
    }
    text.parse().ok()
}

fn parse(text: &str) -> Option<u128> {
    let Some(number) = text.strip_suffix(" ZKPoW") else { return digits(text) };
    let (whole, fraction) = number.split_once('.').map_or((number, None), |(w, f)| (w, Some(f)));
    let whole = digits(whole)?.checked_mul(10u128.pow(DECIMALS as u32))?;
    let fraction = match fraction {
        None => 0,
        Some(f) if f.len() <= DECIMALS => digits(f)?.checked_mul(10u128.pow((DECIMALS - f.len()) as u32))?,
        Some(_) => return None,
    };
    whole.checked_add(fraction)
}

impl fmt::Display for Amount {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let one = 10u128.pow(DECIMALS as u32);
        let (whole, fraction) = (self.units() / one, self.units() % one);
        if fraction == 0 {
            return write!(f, "{whole} ZKPoW");
        }
        let text = format!("{fraction:018}");
        write!(f, "{whole}.{} ZKPoW", text.trim_end_matches('0'))
    }
}

impl Serialize for Amount {
    fn serialize<S: Serializer>(&self, s: S) -> Result<S::Ok, S::Error> {
        if s.is_human_readable() { s.collect_str(self) } else { self.0.serialize(s) }
    }
}

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(d: D) -> Result<Self, D::Error> {
        if d.is_human_readable() {
            String::deserialize(d)?.parse().map_err(D::Error::custom)
        } else {
            Zkpow::deserialize(d).map(Self)
        }
    }
}
