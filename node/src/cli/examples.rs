//! Examples that stand under the help of the commands people meet first.

pub(super) const NODE: &str = "\
Examples:
  strait node --config /etc/strait/node.toml
  strait node --config node.toml --log-level debug --set channel.delay_blocks=288

SIGTERM and SIGINT stop the node. SIGHUP makes it read its configuration again: live settings
(`strait settings` shows which) change at once, and the log names what takes a restart.";

pub(super) const DEVNET: &str = "\
Examples:
  strait devnet
  strait devnet --listen 127.0.0.1:18443 --cookie-file /tmp/devnet.cookie --block-every-ms 1000

The chain lives in memory and ends with the command. It takes bitcoind's RPC: without --block-every-ms
blocks are made by `generatetodescriptor` and `generatetoaddress`.";

pub(super) const BACKUP: &str = "\
Examples:
  strait backup --config /etc/strait/node.toml /backup/strait-monday.db
  strait backup --recipient age1... /backup/strait-monday.db.age

A node on a backup does not know what happened after it: docs/recovery.md says what to do then. The
seed is not in the file.";

pub(super) const BACKUP_VERIFY: &str = "\
Examples:
  strait backup verify /backup/strait-monday.db
  strait backup verify --identity backup.key /backup/strait-monday.db.age

`live_log` is `equal` if the log of the node, folded to the same event, has the same state. A
backup of another node, with more than the node has, or so old that the node has removed what leads
there, ends with exit code 3 although it is sound; --alone judges it by itself.";

pub(super) const LOG_HASH: &str = "\
Examples:
  strait log hash
  strait log hash --at 120000
  strait log hash /backup/strait-monday.db

Two logs with the same hash at the same event led to the same state. The node may run.";

pub(super) const RESTORE: &str = "\
Examples:
  strait restore --config /etc/strait/node.toml /backup/strait-monday.db
  strait restore --shipped /mnt/second-disk/strait --identity backup.key

The node's folder must hold no log. Put the words of the seed into its seed file too. The channels
of a restored node are quarantined: `strait recover` shows them, and what can be done.";

pub(super) const RECOVER: &str = "\
Examples:
  strait recover
  strait recover ask-peer CHANNEL_ID
  strait recover approve CHANNEL_ID --at-least-sat 399000
  strait recover accept-loss CHANNEL_ID --may-lose-sat 1000000

`close_brings_sat` in the list is what a close together would bring now, by the peer's ledger. Nothing
is signed that brings less than approved. docs/recovery.md says which choice suits when.";

pub(super) const SETTINGS: &str = "\
Examples:
  strait settings
  strait settings set log_level debug
  strait settings set log_level info,strait_net=trace

What is set holds until the next start, or until the node reads its configuration again (SIGHUP) and
finds another value there than before. Write it into the file as well if it is to stay.";

pub(super) const TOKEN_CREATE: &str = "\
Examples:
  strait token create --scope read --label dashboard
  strait token create --scope pay --budget-sat 50000 --payment-sat-max 500 --expires-in-s 2592000 > shop.token

A budget is for the token's life, and counts what is paid, offered in locks and put into contracts. It takes
the node's own token to make, list and revoke tokens.";

pub(super) const DEMO: &str = "\
Examples:
  strait demo
  strait demo --payments 1000
  strait demo --json > result.json
  strait demo --keep";

pub(super) const CHANNEL_OPEN: &str = "\
Examples:
  strait channel open NODE_ID 1000000
  strait channel open NODE_ID 1000000 --address /ip4/192.0.2.1/tcp/9736 --fee-rate-sat-per-kvb 5000

The answer comes when the funding transaction is signed and on its way. The channel carries payments
once that transaction is deep enough: `strait channel show CHANNEL_ID` says when.";

pub(super) const CHANNEL_CLOSE: &str = "\
Examples:
  strait channel close CHANNEL_ID
  strait channel close CHANNEL_ID --force";

pub(super) const PAY: &str = "\
Examples:
  strait pay CHANNEL_ID 5000
  strait pay CHANNEL_ID 5000 --reference order-17 --idempotency-key order-17
  strait pay CHANNEL_ID 1000 --count 10000

Amounts are millisatoshis. The command ends when the payment is irrevocable. With exit code 5 the
outcome is unknown: run it again with the key it printed, and nothing is paid twice.";

pub(super) const CONTRACT_ADD: &str = "\
Example:
  strait contract add contracts/metered/metered.wasm

Both nodes need the module, and contracts.allow of both must name its hash or be \"added\".";

pub(super) const CONTRACT_OPEN: &str = "\
Example:
  strait contract open CHANNEL_ID MODULE_HASH --collateral-opener-msat 1000000 --params 00...

Opener and acceptor are those of the channel, whoever opens the contract: `role` in
`strait channel show` says which one this node is. What the parameters mean is up to the module;
docs/contracts.md explains those of `metered`.";

pub(super) const CONTRACT_ACT: &str = "\
Examples:
  strait contract act CONTRACT_ID 0100000001
  strait contract act CONTRACT_ID 0100000002 0100000003 03";

pub(super) const CONTRACT_SETTLE: &str = "\
Example:
  strait contract settle CONTRACT_ID

The contract's module must say first that nothing more will happen; an action brings it there.";

pub(super) const WALLET_SEND: &str = "\
Examples:
  strait wallet send ADDRESS 50000
  strait wallet send ADDRESS all --fee-rate-sat-per-kvb 2000

`all` leaves what closing the open channels needs in fees.";

pub(super) const EVENTS: &str = "\
Examples:
  strait events
  strait events --from 1200 --follow
  strait --json events --follow | jq .type

Each event has a place in the log, `seq`. Whoever reads on after an interruption gives the next one.";

pub(super) const LOCK_NEW_PREIMAGE: &str = "\
Examples:
  strait lock new-preimage
  strait --json lock new-preimage > secret.json

The preimage is 32 random bytes of the system. Whoever is to be paid makes it, gives the hash to the
payer, and claims with the preimage. Nothing of it is kept: lost, the lock goes back at its expiry.";

pub(super) const LOCK_OFFER: &str = "\
Examples:
  strait lock offer CHANNEL_ID 5000000 PAYMENT_HASH 860200
  strait lock offer CHANNEL_ID 5006000 PAYMENT_HASH 860500 --hop NODE_ID:5000000:860200

EXPIRY is a block height: `strait status` shows the present one. With --hop the peer passes the lock on
to NODE_ID; what it keeps and the blocks it needs in between are for it to set (docs/locks.md). The
command ends when the lock stands. Whether it was claimed, `strait lock show` and the events tell.";

pub(super) const LOCK_LIST: &str = "\
Examples:
  strait lock list
  strait lock list --state held
  strait --json lock list --channel CHANNEL_ID --direction sent";

pub(super) const LOCK_CLAIM: &str = "\
Examples:
  strait lock claim LOCK_ID < preimage
  jq -r .preimage secret.json | strait lock claim LOCK_ID

With exit code 5 the claim goes on, on chain if the peer stays away: run it again to learn how it ended.";

pub(super) const LOCK_CANCEL: &str = "\
Example:
  strait lock cancel LOCK_ID";
