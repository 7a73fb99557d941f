//! Calls and gas estimates without a signature.
//!
//! No account has code, so a call returns nothing and costs what a transfer
//! costs. What the chain cannot execute is refused by the same names as at
//! admission.

use alloy_primitives::{Address, U256};

use crate::{
    gas::transfer_gas,
    rejection::{MAX_DATA_BYTES, NotProvable},
    transaction::is_reserved,
};

/// A call as wallets ask for it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CallRequest {
    /// Who calls; nobody's balance is checked when it is missing.
    pub from: Option<Address>,
    /// Who is called; missing for a contract creation.
    pub to: Option<Address>,
    /// Value in the smallest unit of ZKPoW.
    pub value: U256,
    /// Highest price per gas, if the caller gave one.
    pub max_fee: Option<u128>,
    /// Calldata.
    pub data: Vec<u8>,
    /// Number of addresses in the access list.
    pub access_list_entries: usize,
}

/// Why a call is not answered.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CallError {
    /// Beyond what the chain executes.
    #[error("not provable yet: {0}")]
    NotProvable(#[from] NotProvable),
    /// The caller cannot pay.
    #[error("insufficient funds for gas * price + value: address {from} have {balance} want {cost}")]
    InsufficientFunds {
        /// The caller.
        from: Address,
        /// Its balance less its debt.
        balance: u128,
        /// Value plus gas times price.
        cost: U256,
    },
}

/// What a call returns: always nothing.
///
/// # Errors
/// [`CallError`].
pub fn call(request: &CallRequest, balance: u128) -> Result<Vec<u8>, CallError> {
    recipient(request)?;
    afford(request, balance, request.value)?;
    Ok(Vec::new())
}

/// Gas that a transaction like this uses, which is also the gas limit it needs. `balance` is what the caller may spend.
///
/// # Errors
/// [`CallError`].
pub fn estimate_gas(request: &CallRequest, balance: u128) -> Result<u64, CallError> {
    recipient(request)?;
    if request.access_list_entries > 0 {
        return Err(NotProvable::AccessList { entries: request.access_list_entries }.into());
    }
    if request.data.len() > MAX_DATA_BYTES {
        return Err(NotProvable::Data { bytes: request.data.len() }.into());
    }
    if request.value.bit_len() > 128 {
        return Err(NotProvable::Value.into());
    }
    let gas = transfer_gas(&request.data);
    let price = U256::from(request.max_fee.unwrap_or_default());
    afford(request, balance, request.value.saturating_add(U256::from(gas).saturating_mul(price)))?;
    Ok(gas)
}

fn recipient(request: &CallRequest) -> Result<Address, NotProvable> {
    let to = request.to.ok_or(NotProvable::ContractCreation)?;
    if is_reserved(&to) { Err(NotProvable::Reserved { recipient: to }) } else { Ok(to) }
}

fn afford(request: &CallRequest, balance: u128, cost: U256) -> Result<(), CallError> {
    match request.from {
        Some(from) if cost > U256::from(balance) => Err(CallError::InsufficientFunds { from, balance, cost }),
        _ => Ok(()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn request() -> CallRequest {
        CallRequest {
            from: Some(Address::repeat_byte(1)),
            to: Some(Address::repeat_byte(2)),
            value: U256::from(5),
            ..CallRequest::default()
        }
    }

    #[test]
    fn a_call_returns_nothing_and_a_transfer_has_one_price() {
        assert_eq!(call(&request(), 5), Ok(Vec::new()));
        assert_eq!(estimate_gas(&request(), 5), Ok(21_000));
        assert_eq!(estimate_gas(&CallRequest { data: vec![0, 1], ..request() }, 5), Ok(21_050));
        // A call of a missing contract is no error, however long its data.
        assert_eq!(call(&CallRequest { data: vec![1; 1000], ..request() }, 5), Ok(Vec::new()));
    }

    #[test]
    fn who_cannot_pay_is_told_so() {
        assert!(matches!(call(&request(), 4), Err(CallError::InsufficientFunds { balance: 4, .. })));
        let priced = CallRequest { max_fee: Some(1), ..request() };
        assert_eq!(estimate_gas(&priced, 21_005), Ok(21_000));
        assert!(matches!(estimate_gas(&priced, 21_004), Err(CallError::InsufficientFunds { .. })));
        assert_eq!(estimate_gas(&CallRequest { from: None, ..priced }, 0), Ok(21_000));
    }

    #[test]
    fn what_is_not_provable_is_named() {
        let refused = |request: CallRequest| match estimate_gas(&request, u128::MAX) {
            Err(CallError::NotProvable(what)) => what,
            other => panic!("{other:?}"),
        };
        assert_eq!(refused(CallRequest { to: None, ..request() }), NotProvable::ContractCreation);
        assert!(matches!(
            refused(CallRequest { to: Some(Address::with_last_byte(2)), ..request() }),
            NotProvable::Reserved { .. }
        ));
        assert_eq!(refused(CallRequest { data: vec![1; 56], ..request() }), NotProvable::Data { bytes: 56 });
        assert_eq!(
            refused(CallRequest { access_list_entries: 1, ..request() }),
            NotProvable::AccessList { entries: 1 }
        );
        assert_eq!(refused(CallRequest { value: U256::from(1) << 128, ..request() }), NotProvable::Value);
        assert!(call(&CallRequest { to: None, ..request() }, 5).is_err());
    }
}
