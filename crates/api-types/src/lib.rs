//! What the REST interface speaks: requests, responses, events and errors of `/v1`, as plain data.
//!
//! The server (`strait-api`) and the client (`strait-client`) both import it, so the two cannot drift apart. Ids and
//! bytes are lower-case hex text; money is whole integers with the unit in the name (`amount_msat`, `fee_sat`);
//! moments are milliseconds since 1970 (`at_ms`). Requests refuse fields they do not know; responses and events
//! tolerate them, and unknown enum values read as `Unknown`, so an older client survives a newer node.
//!
//! With the feature `openapi` every type also derives its schema.
//!
//! **Invariant:** nothing here validates, computes or performs I/O. Turning a request into domain types is the
//! server's first step.

mod channel;
mod contract;
mod error;
mod event;
mod limits;
mod lock;
mod payment;
mod peer;
mod recovery;
mod settings;
mod status;
mod token;
mod wallet;

pub use channel::{
    Channel, ChannelList, ChannelPhase, ChannelRole, CloseChannelRequest, CloseMode,
    OpenChannelRequest,
};
pub use contract::{
    ActRequest, ActResponse, Contract, ContractLimits, ContractList, ContractPhase, Module,
    ModuleList, OpenContractRequest, SettleResponse,
};
pub use error::{ErrorBody, ErrorCode, ErrorDetail};
pub use event::{ChannelOutcome, Event, EventKind, EventPage};
pub use limits::{
    ACTION_BYTES_MAX, ACTIONS_MAX, BODY_BYTES_MAX, EVENT_PAGE_DEFAULT, EVENT_PAGE_MAX,
    IDEMPOTENCY_KEY_BYTES_MAX, LOCK_HOPS_MAX, LOCK_PAGE_DEFAULT, LOCK_PAGE_MAX, MODULE_BYTES_MAX,
    PARAMS_BYTES_MAX, PAYMENTS_BODY_BYTES_MAX, PAYMENTS_MAX, REFERENCE_BYTES_MAX,
};
pub use lock::{
    ClaimLockRequest, Lock, LockCancelReason, LockChange, LockDirection, LockHop, LockList,
    LockRole, LockState, LockStep, OfferLockRequest, PreimageHex,
};
pub use payment::{PaymentItem, PaymentRequest, PaymentResponse};
pub use peer::{ConnectPeerRequest, Peer, PeerConnection, PeerList};
pub use recovery::{RecoverRequest, Recovery, RecoveryChoice, RecoveryDoubt, RecoveryList};
pub use settings::{ChangeSettingsRequest, Setting, SettingChange, SettingList, SettingValue};
pub use status::{ChainState, ChainStatus, ChannelCounts, LogStatus, Network, StatusResponse};
pub use token::{
    CreateTokenRequest, CreateTokenResponse, Token, TokenList, TokenScope, TokenSecret,
};
pub use wallet::{AddressResponse, SendAll, SendAmount, SendRequest, SendResponse, WalletResponse};
