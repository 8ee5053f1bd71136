//! Parameters of a request: an array in order or an object by name, checked for number and type.

use std::str::FromStr;

use bitcoin::{Amount, Denomination, Transaction, consensus};
use serde_json::Value;
use strait_primitives::FeeRate;

use super::{Context, RpcCode, RpcError};
use crate::limits::CALLER_FEE_RATE_MAX;
use crate::mempool::admission::FeeCap;

/// A method of the RPC.
pub(super) struct Method {
    /// Its name.
    pub(super) name: &'static str,
    /// Its parameters, in order.
    pub(super) params: &'static [&'static str],
    /// What answers it.
    pub(super) run: fn(&Context, &Params) -> Result<Value, RpcError>,
}

/// The parameters of one request, in the method's order; what was left out is null.
#[derive(Debug)]
pub(super) struct Params {
    method: &'static str,
    names: &'static [&'static str],
    values: Vec<Value>,
}

/// What bitcoind calls the type of a JSON value.
fn type_name(value: &Value) -> &'static str {
    match value {
        Value::Null => "null",
        Value::Bool(_) => "bool",
        Value::Number(_) => "number",
        Value::String(_) => "string",
        Value::Array(_) => "array",
        Value::Object(_) => "object",
    }
}

/// A value of the wrong type.
fn wrong_type(value: &Value, expected: &str) -> RpcError {
    let actual = type_name(value);
    let message = format!("JSON value of type {actual} is not of expected type {expected}");
    RpcError::new(RpcCode::Type, message)
}

impl Params {
    /// Puts the parameters in order.
    pub(super) fn new(method: &Method, params: Value) -> Result<Self, RpcError> {
        let names = method.params;
        let mut values = vec![Value::Null; names.len()];
        match params {
            Value::Null => {}
            Value::Array(given) if given.len() <= names.len() => {
                for (slot, value) in values.iter_mut().zip(given) {
                    *slot = value;
                }
            }
            Value::Array(_) => {
                let usage = format!("{} {}", method.name, names.join(" "));
                return Err(RpcError::new(RpcCode::Misc, usage.trim_end()));
            }
            Value::Object(given) => {
                for (name, value) in given {
                    let place =
                        names.iter().zip(values.iter_mut()).find(|(known, _)| **known == name);
                    let Some((_, slot)) = place else {
                        return Err(RpcError::parameter(format!("Unknown named parameter {name}")));
                    };
                    *slot = value;
                }
            }
            Value::Bool(_) | Value::Number(_) | Value::String(_) => {
                let message = "Params must be an array or object";
                return Err(RpcError::new(RpcCode::InvalidRequest, message));
            }
        }
        Ok(Self { method: method.name, names, values })
    }

    /// The parameter; null if left out.
    pub(super) fn value(&self, index: usize) -> &Value {
        self.values.get(index).unwrap_or(&Value::Null)
    }

    /// The parameter, which must be there.
    fn required(&self, index: usize) -> Result<&Value, RpcError> {
        let value = self.value(index);
        if value.is_null() {
            let usage = format!("{} {}", self.method, self.names.join(" "));
            return Err(RpcError::new(RpcCode::Misc, usage));
        }
        Ok(value)
    }

    /// A string that must be there.
    pub(super) fn text(&self, index: usize) -> Result<&str, RpcError> {
        let value = self.required(index)?;
        value.as_str().ok_or_else(|| wrong_type(value, "string"))
    }

    /// A whole number that must be there.
    pub(super) fn integer(&self, index: usize) -> Result<i64, RpcError> {
        let value = self.required(index)?;
        if !value.is_number() {
            return Err(wrong_type(value, "number"));
        }
        let message = "JSON integer out of range";
        value.as_i64().ok_or_else(|| RpcError::new(RpcCode::Misc, message))
    }

    /// A truth value; nothing when left out.
    pub(super) fn flag(&self, index: usize) -> Result<Option<bool>, RpcError> {
        let value = self.value(index);
        if value.is_null() {
            return Ok(None);
        }
        value.as_bool().map(Some).ok_or_else(|| wrong_type(value, "bool"))
    }

    /// How much to tell: a number, or a truth value for 0 and 1.
    pub(super) fn verbosity(&self, index: usize, fallback: i64) -> Result<i64, RpcError> {
        match self.value(index) {
            Value::Null => Ok(fallback),
            Value::Bool(flag) => Ok(i64::from(*flag)),
            Value::Number(_) | Value::String(_) | Value::Array(_) | Value::Object(_) => {
                self.integer(index)
            }
        }
    }

    /// An array that must be there.
    pub(super) fn array(&self, index: usize) -> Result<&[Value], RpcError> {
        let value = self.required(index)?;
        value.as_array().map(Vec::as_slice).ok_or_else(|| wrong_type(value, "array"))
    }

    /// A hash that must be there.
    pub(super) fn hash<H: FromStr>(&self, index: usize) -> Result<H, RpcError> {
        let name = self.names.get(index).copied().unwrap_or_default();
        parse_hash(name, self.text(index)?)
    }

    /// The transaction in hex that must be there.
    pub(super) fn transaction(&self, index: usize) -> Result<Transaction, RpcError> {
        parse_transaction(self.text(index)?).ok_or_else(|| {
            let message = "TX decode failed. Make sure the tx has at least one input.";
            RpcError::new(RpcCode::Deserialization, message)
        })
    }

    /// An array of transactions in hex that must be there.
    pub(super) fn transactions(&self, index: usize) -> Result<Vec<Transaction>, RpcError> {
        let parse = |value: &Value| {
            let text = value.as_str().ok_or_else(|| wrong_type(value, "string"))?;
            parse_transaction(text).ok_or_else(|| {
                let message =
                    format!("TX decode failed: {text} Make sure the tx has at least one input.");
                RpcError::new(RpcCode::Deserialization, message)
            })
        };
        self.array(index)?.iter().map(parse).collect()
    }

    /// An amount in bitcoin; nothing when left out.
    pub(super) fn amount(&self, index: usize) -> Result<Option<Amount>, RpcError> {
        let value = self.value(index);
        let text = match value {
            Value::Null => return Ok(None),
            Value::String(text) => text.clone(),
            Value::Number(number) => number.to_string(),
            Value::Bool(_) | Value::Array(_) | Value::Object(_) => {
                return Err(RpcError::new(RpcCode::Type, "Amount is not a number or string"));
            }
        };
        let parsed = match text.parse::<f64>() {
            Ok(number) if text.contains(['e', 'E']) => Amount::from_btc(number).ok(),
            Ok(_) => Amount::from_str_in(&text, Denomination::Bitcoin).ok(),
            Err(_) => None,
        };
        parsed.map(Some).ok_or_else(|| RpcError::new(RpcCode::Type, "Invalid amount"))
    }

    /// The caller's limit on fee rates, in bitcoin per 1,000 virtual bytes; 0 for none.
    pub(super) fn fee_cap(&self, index: usize) -> Result<FeeCap, RpcError> {
        match self.amount(index)? {
            None => Ok(FeeCap::Rate(CALLER_FEE_RATE_MAX)),
            Some(Amount::ZERO) => Ok(FeeCap::None),
            Some(rate) if rate >= Amount::ONE_BTC => Err(RpcError::parameter(
                "Fee rates larger than or equal to 1BTC/kvB are not accepted",
            )),
            Some(rate) => Ok(FeeCap::Rate(FeeRate::from_sat_per_kvb(rate.to_sat()))),
        }
    }
}

/// Parses a hash and says what is wrong with it as bitcoind would.
pub(super) fn parse_hash<H: FromStr>(name: &str, text: &str) -> Result<H, RpcError> {
    text.parse().map_err(|_| {
        let message = match text.len() {
            64 => format!("{name} must be hexadecimal string (not '{text}')"),
            length => format!("{name} must be of length 64 (not {length}, for '{text}')"),
        };
        RpcError::parameter(message)
    })
}

/// Parses a transaction in hex.
pub(super) fn parse_transaction(text: &str) -> Option<Transaction> {
    consensus::deserialize(&hex::decode(text).ok()?).ok()
}
