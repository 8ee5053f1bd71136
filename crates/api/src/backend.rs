//! What the interface asks of a node.

use bytes::Bytes;
use futures::Stream;
use strait_api_types::{
    ActResponse, AddressResponse, ChangeSettingsRequest, Channel, ChannelList, CloseMode, Contract,
    ContractList, Event, Lock, LockList, Module, ModuleList, PaymentResponse, Peer, PeerList,
    Recovery, RecoveryList, SendResponse, SettingList, SettleResponse, StatusResponse, Token,
    TokenList, WalletResponse,
};
use strait_payment::LockKey;
use strait_primitives::{ChannelId, ContractId, EventSeq, Preimage, RequestKey, TokenId};

use crate::{
    ApiError, ConnectPeer, Credential, LockQuery, NewToken, OfferLock, OpenChannel, OpenContract,
    Pay, Recover, SendCoins,
};

/// Whether a stream of events goes on after what the log holds now.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Follow {
    /// It waits for what happens next, and never ends by itself.
    Forever,
    /// It ends after the last event that was durable when it began.
    UntilNow,
}

/// The answer to a question that was put to the node.
pub trait Answer<T>: Future<Output = Result<T, ApiError>> + Send {}

impl<T, F: Future<Output = Result<T, ApiError>> + Send> Answer<T> for F {}

/// A node, as the interface sees it: the runtime in production, a scripted double in tests.
///
/// **Keys.** A method with a [`RequestKey`] acts at most once for each key: asked again with the same key and the
/// same request, it gives the first answer (waiting for it if it is still being worked out); with another request,
/// it fails with `IDEMPOTENCY_KEY_REUSED`. Keys of different methods never collide. An `Ok` is
/// final: it rests on what is durable. So is an `Err` whose code [`is_final`](strait_api_types::ErrorCode::is_final): a
/// caller that sees one may take it that nothing happened and nothing will. Whatever was or may have been given to the
/// engine without an answer fails with `STILL_RUNNING`; a caller that sees that, `BUSY`, `NOT_READY`, `INTERNAL` or
/// `REQUEST_TIMEOUT` asks again with the same key.
///
/// **Patience.** The futures run in tasks of their own. One with a key is never dropped because its caller went away,
/// but when thousands wait, the oldest that nobody asks about are: the next asking with the key begins anew. One without
/// a key is dropped when its caller's time is over.
pub trait Backend: Send + Sync + 'static {
    /// The events of [`Backend::events`]. Polled only when the caller's connection can take more.
    type Events: Stream<Item = Result<Event, ApiError>> + Send + 'static;

    /// What is known of a token that was made and not revoked. Asked for every request that shows one: it waits for
    /// nothing.
    fn credential(&self, id: TokenId) -> Option<Credential>;

    /// All tokens, by id.
    fn tokens(&self) -> impl Answer<TokenList>;

    /// Makes a token; answers when it is durable and good.
    fn create_token(&self, request: NewToken) -> impl Answer<Token>;

    /// Makes a token good for nothing, or `TOKEN_NOT_FOUND`; answers when that is durable.
    fn revoke_token(&self, id: TokenId) -> impl Answer<Token>;

    /// The node at a glance.
    fn status(&self) -> impl Answer<StatusResponse>;

    /// What the node runs with, in the order of the documentation.
    fn settings(&self) -> impl Answer<SettingList>;

    /// Changes settings while the node runs, all of them or none; answers with those it was given, as they are then.
    fn change_settings(&self, request: ChangeSettingsRequest) -> impl Answer<SettingList>;

    /// All peers, by node id.
    fn peers(&self) -> impl Answer<PeerList>;

    /// Connects to a peer and stays connected; answers when the connection stands.
    fn connect_peer(&self, request: ConnectPeer) -> impl Answer<Peer>;

    /// All channels, by id.
    fn channels(&self) -> impl Answer<ChannelList>;

    /// One channel, or `CHANNEL_NOT_FOUND`.
    fn channel(&self, channel: ChannelId) -> impl Answer<Channel>;

    /// Opens a channel; answers when the opening is durable.
    fn open_channel(&self, key: RequestKey, request: OpenChannel) -> impl Answer<Channel>;

    /// Closes a channel; answers when the decision is durable.
    fn close_channel(
        &self,
        key: RequestKey,
        channel: ChannelId,
        mode: CloseMode,
    ) -> impl Answer<Channel>;

    /// All channels whose state is not trusted, by id.
    fn recoveries(&self) -> impl Answer<RecoveryList>;

    /// Says how such a channel is to end; answers when the choice is durable. Asked again it goes on.
    fn recover(
        &self,
        key: RequestKey,
        channel: ChannelId,
        request: Recover,
    ) -> impl Answer<Recovery>;

    /// Pays a batch as a whole or not at all; answers when it is irrevocable.
    fn pay(&self, key: RequestKey, request: Pay) -> impl Answer<PaymentResponse>;

    /// A page of locks, by channel, direction and number.
    fn locks(&self, query: LockQuery) -> impl Answer<LockList>;

    /// One lock, or `LOCK_NOT_FOUND`.
    fn lock(&self, lock: LockKey) -> impl Answer<Lock>;

    /// Offers a lock; answers when it stands in both sides' commitments.
    fn offer_lock(&self, key: RequestKey, request: OfferLock) -> impl Answer<Lock>;

    /// Claims a lock that is held; answers when it is this node's money for good.
    fn claim_lock(&self, key: RequestKey, lock: LockKey, preimage: Preimage) -> impl Answer<Lock>;

    /// Gives a lock back that is held; answers when it is gone.
    fn cancel_lock(&self, key: RequestKey, lock: LockKey) -> impl Answer<Lock>;

    /// All modules, by hash.
    fn modules(&self) -> impl Answer<ModuleList>;

    /// Checks a module and keeps it, or `MODULE_REFUSED`. Adding it again is the same as adding it once.
    fn add_module(&self, wasm: Bytes) -> impl Answer<Module>;

    /// All contracts, by id.
    fn contracts(&self) -> impl Answer<ContractList>;

    /// One contract, or `CONTRACT_NOT_FOUND`.
    fn contract(&self, contract: ContractId) -> impl Answer<Contract>;

    /// Opens a contract; answers when its opening is irrevocable.
    fn open_contract(&self, key: RequestKey, request: OpenContract) -> impl Answer<Contract>;

    /// Applies actions in order, all or none; answers when they are irrevocable.
    fn act(
        &self,
        key: RequestKey,
        contract: ContractId,
        actions: Vec<Vec<u8>>,
    ) -> impl Answer<ActResponse>;

    /// Settles a contract whose state is final; answers when that is irrevocable.
    fn settle(&self, key: RequestKey, contract: ContractId) -> impl Answer<SettleResponse>;

    /// The wallet's balance.
    fn wallet(&self) -> impl Answer<WalletResponse>;

    /// A fresh address, durable before it is told.
    fn new_address(&self) -> impl Answer<AddressResponse>;

    /// Pays on the chain; answers when the transaction is durable and handed to the chain.
    fn send_coins(&self, key: RequestKey, request: SendCoins) -> impl Answer<SendResponse>;

    /// Public events from `from` on, that place included, in the order of the log, at most one for each place; from the
    /// oldest that is there on for [`EventSeq::ZERO`]. Where events were removed, the first item is `EVENTS_GONE`.
    fn events(&self, from: EventSeq, follow: Follow) -> impl Answer<Self::Events>;
}
