//! The endpoints of `/v1/locks`.

use hyper::Method;
use strait_api_types::{
    ClaimLockRequest, Lock, LockDirection, LockList, LockState, OfferLockRequest,
};

use crate::client::Content;
use crate::endpoints::segment;
use crate::{Client, ClientError, IdempotencyKey};

/// Which locks are wanted: all of them by default, a page at a time.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct LockFilter {
    /// Only those of this channel, in hex.
    pub channel_id: Option<String>,
    /// Only those offered by this side.
    pub direction: Option<LockDirection>,
    /// Only those in this state.
    pub state: Option<LockState>,
    /// Only those after this one: the last page's `next_after`.
    pub after: Option<String>,
    /// How many at most; the node's default without.
    pub limit: Option<u32>,
}

/// Every method fails with the [`ClientError`] that says how far the request got.
#[expect(clippy::missing_errors_doc, reason = "said once, above, for all of them")]
impl Client {
    /// A page of locks: those in use, and the last ones that are over.
    pub async fn locks(&self, filter: &LockFilter) -> Result<LockList, ClientError> {
        self.get(&filter.path()).await
    }

    /// One lock, by its `lock_id`.
    pub async fn lock(&self, lock_id: &str) -> Result<Lock, ClientError> {
        self.get(&path_of(lock_id)).await
    }

    /// Offers a lock; answers when it stands in both sides' commitments.
    pub async fn offer_lock(
        &self,
        key: &IdempotencyKey,
        request: &OfferLockRequest,
    ) -> Result<Lock, ClientError> {
        self.ask(Method::POST, "/v1/locks", Some(key), Content::json(request)).await
    }

    /// Claims a lock that is held there; answers when it is that node's money for good.
    pub async fn claim_lock(
        &self,
        key: &IdempotencyKey,
        lock_id: &str,
        request: &ClaimLockRequest,
    ) -> Result<Lock, ClientError> {
        let path = format!("{}/claim", path_of(lock_id));
        self.ask(Method::POST, &path, Some(key), Content::json(request)).await
    }

    /// Gives a lock back that is held there; answers when it is gone.
    pub async fn cancel_lock(
        &self,
        key: &IdempotencyKey,
        lock_id: &str,
    ) -> Result<Lock, ClientError> {
        let path = format!("{}/cancel", path_of(lock_id));
        self.ask(Method::POST, &path, Some(key), Content::Nothing).await
    }
}

impl LockFilter {
    fn path(&self) -> String {
        let limit = self.limit.map(|limit| limit.to_string());
        let fields = [
            ("channel_id", self.channel_id.as_deref()),
            ("direction", self.direction.map(LockDirection::as_str)),
            ("state", self.state.map(LockState::as_str)),
            ("after", self.after.as_deref()),
            ("limit", limit.as_deref()),
        ];
        let given = fields
            .iter()
            .filter_map(|(name, value)| value.map(|value| format!("{name}={}", segment(value))));
        let query: Vec<String> = given.collect();
        if query.is_empty() {
            "/v1/locks".to_owned()
        } else {
            format!("/v1/locks?{}", query.join("&"))
        }
    }
}

/// Where a lock is. What is no `lock_id` still becomes three segments, and the node refuses it by name.
fn path_of(lock_id: &str) -> String {
    let mut parts = lock_id.splitn(3, '-');
    let mut next = || segment(parts.next().filter(|part| !part.is_empty()).unwrap_or("-"));
    format!("/v1/locks/{}/{}/{}", next(), next(), next())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_lock_id_becomes_three_segments_whatever_it_is() {
        assert_eq!(path_of("ab-sent-3"), "/v1/locks/ab/sent/3");
        assert_eq!(path_of("../x"), "/v1/locks/%2E%2E%2Fx/%2D/%2D");
        assert_eq!(path_of("a-b-c-d"), "/v1/locks/a/b/c%2Dd");
        assert_eq!(path_of(""), "/v1/locks/%2D/%2D/%2D");
    }

    #[test]
    fn a_filter_names_only_what_is_wanted() {
        assert_eq!(LockFilter::default().path(), "/v1/locks");
        let filter = LockFilter {
            direction: Some(LockDirection::Received),
            state: Some(LockState::Held),
            after: Some("ab-sent-3".into()),
            ..LockFilter::default()
        };
        assert_eq!(filter.path(), "/v1/locks?direction=received&state=held&after=ab%2Dsent%2D3");
    }
}
