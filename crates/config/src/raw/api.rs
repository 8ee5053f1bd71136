//! `[api]`, as it is written.

use crate::keys::Takes::{Path, SecretFile, Switch, Text};
use crate::keys::Unset::InDataDir;
use crate::keys::number;
use crate::section::section;

section! {
    /// [The REST interface](api.md): where it listens, whom it lets in, and how much each client may ask.
    RawApi "api." {
        /// Where the interface answers. Any other than a loopback address takes TLS.
        listen: String = "127.0.0.1:9737".into(), Text("ADDRESS:PORT such as 127.0.0.1:9737");
        /// Made with mode 0600 when missing. Whoever reads it spends the money.
        token_file: Option<String> = None, SecretFile, InDataDir("api.token");
        /// A JSON line for every call that changes something, or a sum of many ([the audit log](api.md#the-audit-log)); what was
        /// refused goes into a file of this name with `.refused` after it. Where it cannot be written, nothing is changed: give it
        /// a place with room. Moved aside at 64 MiB, sixteen files are kept; opened anew on `SIGHUP`.
        audit_file: Option<String> = None, Path, InDataDir("audit.log");
        /// True sends tokens and answers as they are: only behind a proxy with TLS in the same pod or on the same private link.
        allow_remote_without_tls: bool = false, Switch;
        /// The certificate, and those between it and its authority, in PEM. It takes `api.tls_key_file` beside it. Read again on
        /// `SIGHUP`; if it is wrong then, the old pair stays.
        tls_certificate_file: Option<String> = None, Path;
        /// Its key, in PEM. Mode 0600; or owned by root and readable by its group, as Kubernetes and systemd mount secrets.
        tls_key_file: Option<String> = None, SecretFile;
        /// The authority whose clients alone get in, in PEM. They need a token all the same.
        tls_client_ca_file: Option<String> = None, Path;
        /// How long a caller waits before it is told to ask again with the same key. Shorter makes callers ask again more often,
        /// longer keeps more connections waiting; the work itself goes on.
        answer_within_ms: u64 = 60_000, number("ms", 1_000, 600_000);
        /// Requests of each token, each second; 0 is no limit. Who asks more gets `RATE_LIMITED`. Less may hold an honest program
        /// up, more lets one take the node from the others. The node's own token has at least 100 whatever is set.
        rate_per_second: u64 = 50_000, number("requests", 0, 1_000_000);
        /// Requests that one token may send at once after a pause; the node's own at least 100. Less may hold an honest program
        /// up, more lets one take the node from the others for longer.
        burst: u64 = 100_000, number("requests", 1, 10_000_000);
        /// Bad requests (garbage, no such endpoint, beyond the scope) of one token, or of one client address without a token that
        /// counts (of IPv6: of one /64), that are told what is wrong, each second; the others get `RATE_LIMITED`. 0 is no limit.
        /// None takes anything from another token at the same address.
        refused_per_second: u64 = 50, number("requests", 0, 1_000_000);
    }
}
