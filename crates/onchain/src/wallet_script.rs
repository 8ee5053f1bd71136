//! Scripts that a side may be paid to outside the protocol's own: its wallet address at opening and closing.

use bitcoin::{Script, ScriptBuf};
use thiserror::Error;

use crate::output::ShortScript;

/// A script that is none of the allowed forms.
#[derive(Debug, Clone, PartialEq, Eq, Error)]
#[error("{script} is neither P2TR nor P2WPKH")]
pub struct WalletScriptError {
    /// The script as given.
    pub script: ScriptBuf,
}

/// An output script of a wallet: P2TR or P2WPKH.
///
/// The short list keeps every output's size and dust limit known. P2WSH is not on it because all outputs of a commitment
/// that this node claims are of that form: a peer could name one of them as its wallet's, and it would be taken for the
/// peer's. Spec: protocol, section 1; ADR-0013.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct WalletScript(ShortScript);

impl WalletScript {
    /// The script in the form transactions hold.
    #[must_use]
    pub fn to_script_buf(self) -> ScriptBuf {
        self.0.to_script_buf()
    }

    /// The script's bytes.
    #[must_use]
    pub fn as_bytes(&self) -> &[u8] {
        self.0.as_bytes()
    }

    /// The form in which commitments hold it.
    pub(crate) const fn to_short(self) -> ShortScript {
        self.0
    }
}

impl TryFrom<&Script> for WalletScript {
    type Error = WalletScriptError;

    /// Checks a script that a peer or an operator gave.
    ///
    /// # Errors
    /// [`WalletScriptError`] unless it has one of the allowed forms.
    fn try_from(script: &Script) -> Result<Self, WalletScriptError> {
        let refused = || WalletScriptError { script: script.to_owned() };
        if !(script.is_p2tr() || script.is_p2wpkh()) {
            return Err(refused());
        }
        ShortScript::from_script(script).map(Self).ok_or_else(refused)
    }
}

impl core::fmt::Debug for WalletScript {
    fn fmt(&self, f: &mut core::fmt::Formatter<'_>) -> core::fmt::Result {
        write!(f, "WalletScript({:x})", self.to_script_buf())
    }
}

impl<C> minicbor::Encode<C> for WalletScript {
    fn encode<W: minicbor::encode::Write>(
        &self,
        e: &mut minicbor::Encoder<W>,
        _: &mut C,
    ) -> Result<(), minicbor::encode::Error<W::Error>> {
        e.bytes(self.as_bytes())?.ok()
    }
}

impl<'b, C> minicbor::Decode<'b, C> for WalletScript {
    fn decode(d: &mut minicbor::Decoder<'b>, _: &mut C) -> Result<Self, minicbor::decode::Error> {
        Script::from_bytes(d.bytes()?).try_into().map_err(minicbor::decode::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_taproot_and_key_hashes_are_accepted() {
        let check = |hex: &str, accepted: bool| {
            let bytes = hex::decode(hex).unwrap();
            let script = WalletScript::try_from(Script::from_bytes(&bytes));
            assert_eq!(script.is_ok(), accepted, "{hex}");
        };
        check(&format!("5120{}", "02".repeat(32)), true);
        check(&format!("0020{}", "02".repeat(32)), false);
        check(&format!("0014{}", "02".repeat(20)), true);
        check(&format!("5220{}", "02".repeat(32)), false);
        check(&format!("76a914{}88ac", "02".repeat(20)), false);
        check("51024e73", false);
        check("", false);
        check(&format!("6a20{}", "02".repeat(32)), false);
    }
}
