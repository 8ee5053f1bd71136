//! The wallet's own records, which lie inside events and snapshots.

use strait_wallet::{WalletChange, WalletState};

/// Reads the bytes after the first as a change of the wallet or, by that first byte, as its whole state. What comes of it
/// survives its own encoding, and a change can be folded into an empty state.
///
/// # Panics
/// If that promise is broken.
pub fn wallet_record(data: &[u8]) {
    let Some((choice, bytes)) = data.split_first() else { return };
    if choice & 1 == 0 {
        let Ok(change) = WalletChange::from_bytes(bytes) else { return };
        let again =
            WalletChange::from_bytes(&change.to_bytes()).expect("what we write can be read");
        assert_eq!(again, change, "decoding undoes encoding");
        WalletState::default().apply(&change);
    } else {
        let Ok(state) = WalletState::from_bytes(bytes) else { return };
        let again = WalletState::from_bytes(&state.to_bytes()).expect("what we write can be read");
        assert_eq!(again, state, "decoding undoes encoding");
    }
}
