//! The policies that guard the node's calls: made from the configuration, tuned with it, shown in the metrics.

use std::sync::Arc;

use strait_api::{Admission, AdmissionSettings};
use strait_chain::PolicySettings;
use strait_resilience::{Backoff, BreakerSettings, RateSettings, RetrySettings};
use strait_telemetry::{Metrics, PolicyKind, PolicySite};

use crate::config::{ApiConfig, ChainConfig, Config, NetConfig};

/// All of them. Cloning shares them.
#[derive(Debug, Clone)]
pub(crate) struct Policies {
    /// Around questions to the chain's source.
    pub(crate) chain: Arc<strait_chain::Policies>,
    /// In front of the REST interface.
    pub(crate) api: Arc<Admission>,
    /// Towards peers.
    pub(crate) peers: Arc<strait_net::Policies>,
}

impl Policies {
    /// Policies as the configuration says; `seed` begins the jitter.
    pub(crate) fn new(config: &Config, seed: u64) -> Self {
        let chain = strait_chain::Policies::new(of_chain(&config.chain), seed);
        Self {
            chain: Arc::new(chain),
            api: Arc::new(Admission::new(of_api(&config.api))),
            peers: Arc::new(strait_net::Policies::new(of_peers(&config.net))),
        }
    }

    /// Takes what the configuration says about the chain's source from now on.
    pub(crate) fn tune_chain(&self, config: &Config) {
        self.chain.tune(of_chain(&config.chain));
    }

    /// Takes what it says about the REST interface.
    pub(crate) fn tune_api(&self, config: &Config) {
        self.api.tune(of_api(&config.api));
    }

    /// Takes what it says about peers.
    pub(crate) fn tune_peers(&self, config: &Config) {
        self.peers.tune(of_peers(&config.net));
    }

    /// Shows what was decided so far.
    pub(crate) fn tell(&self, metrics: &Metrics) {
        let chain = &self.chain;
        metrics.set_policy(PolicySite::Chain, PolicyKind::Retry, &[chain.retry.tally()]);
        metrics.set_policy(PolicySite::Chain, PolicyKind::Breaker, &[chain.breaker.tally()]);
        metrics.set_policy(PolicySite::Chain, PolicyKind::Timeout, &[chain.timeout.tally()]);
        metrics.set_breaker(PolicySite::Chain, chain.breaker.state());
        let api = &self.api;
        let rates = [api.root.tally(), api.requests.tally(), api.refused.tally()];
        metrics.set_policy(PolicySite::Api, PolicyKind::RateLimit, &rates);
        let rooms = [api.questions.tally(), api.work.tally(), api.streams.tally()];
        metrics.set_policy(PolicySite::Api, PolicyKind::Bulkhead, &rooms);
        let peers = &self.peers;
        metrics.set_policy(PolicySite::Peer, PolicyKind::Retry, &peers.retries());
        metrics.set_policy(PolicySite::Peer, PolicyKind::RateLimit, &peers.rates());
        metrics.set_policy(PolicySite::Peer, PolicyKind::Bulkhead, &peers.bulkheads());
    }
}

fn of_chain(chain: &ChainConfig) -> PolicySettings {
    let backoff = Backoff { first: chain.retry_delay, most: chain.retry_delay_max };
    PolicySettings {
        timeout: chain.timeout,
        retry: RetrySettings { attempts_max: chain.retry_attempts_max, backoff },
        breaker: BreakerSettings {
            failure_percent: chain.breaker_failure_percent,
            calls: chain.breaker_calls_min,
            open_for: chain.breaker_open,
            ..BreakerSettings::default()
        },
    }
}

fn of_api(api: &ApiConfig) -> AdmissionSettings {
    AdmissionSettings {
        requests: RateSettings { per_second: api.rate_per_second, burst: api.burst },
        refused_per_second: api.refused_per_second,
    }
}

fn of_peers(net: &NetConfig) -> strait_net::PolicySettings {
    let count = |setting: u32| usize::try_from(setting).unwrap_or(usize::MAX);
    strait_net::PolicySettings {
        redial: Backoff { first: net.reconnect, most: net.reconnect_max },
        host_dials: RateSettings {
            per_second: net.host_dials_per_second,
            burst: net.host_dials_burst,
        },
        handshakes_max: count(net.handshakes_max),
        dials_max: count(net.dials_max),
        peer_bytes_per_second: net.peer_bytes_per_second,
        peer_frames_per_second: net.peer_frames_per_second,
    }
}
