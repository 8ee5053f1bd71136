//! What Bitcoin Core 31.99 answers, row by row. A real bitcoind is held to these tables too, so a release that
//! changes its rules shows here first.

/// Values and fees.
pub(crate) const VALUES: &[(&str, &str)] = &[
    ("plain", "allowed"),
    ("least fee", "allowed"),
    ("below least fee", "min relay fee not met, 9 < 10"),
    ("no fee", "min relay fee not met, 0 < 10"),
    ("more out than in", "bad-txns-in-belowout, value in (50.00) < value out (50.00000001)"),
    ("missing input", "missing-inputs"),
    (
        "immature coinbase",
        "bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 1",
    ),
    ("too much money", "bad-txns-vout-toolarge"),
    ("too much money in all", "bad-txns-txouttotal-toolarge"),
    ("dust with fee", "dust, tx with dust output must be 0-fee"),
    ("no dust", "allowed"),
    ("anchor", "allowed"),
    ("dust anchor", "dust, tx with dust output must be 0-fee"),
    ("two dusts", "dust"),
    ("one dust, no fee", "min relay fee not met, 0 < 14"),
];

/// Forms of transactions and witnesses.
pub(crate) const FORMS: &[(&str, &str)] = &[
    ("version 0", "version"),
    ("version 1", "allowed"),
    ("version 3", "allowed"),
    ("version 4", "version"),
    ("no outputs", "bad-txns-vout-empty"),
    ("same input twice", "bad-txns-inputs-duplicate"),
    ("bare script", "scriptpubkey"),
    ("tiny", "tx-size-small"),
    ("data", "allowed"),
    ("much data", "allowed"),
    ("too much data", "tx-size"),
    ("heavy", "tx-size"),
    ("script sig not push", "scriptsig-not-pushonly"),
    ("wrong witness script", "mempool-script-verify-flag-failed"),
    ("no witness", "mempool-script-verify-flag-failed"),
    ("large witness item", "bad-witness-nonstandard"),
    (
        "large version 3",
        "TRUC-violation, version=3 tx <id> (wtxid=<id>) is too big: 10373 > 10000 virtual bytes",
    ),
    ("large version 2", "allowed"),
];

/// Absolute and relative locks.
pub(crate) const TIME_LOCKS: &[(&str, &str)] = &[
    ("height lock at tip", "allowed"),
    ("height lock above tip", "non-final"),
    ("height lock above tip, all final", "allowed"),
    ("time lock before median", "allowed"),
    ("time lock at median", "non-final"),
    ("delay as old as the coin", "allowed"),
    ("delay older than the coin", "non-BIP68-final"),
    ("delay in version 1", "allowed"),
    ("delay of a fresh coin", "allowed"),
    ("longer delay of a fresh coin", "non-BIP68-final"),
    ("short time delay", "allowed"),
    ("time delay of a fresh coin", "allowed"),
    ("longer time delay of a fresh coin", "non-BIP68-final"),
    ("no time delay of a fresh coin", "allowed"),
    ("script height too low", "mempool-script-verify-flag-failed"),
    ("script height reached", "allowed"),
    ("script delay missing", "mempool-script-verify-flag-failed"),
    ("script delay too short", "mempool-script-verify-flag-failed"),
    ("script delay reached", "allowed"),
];

/// Ways to spend.
pub(crate) const WITNESSES: &[(&str, &str)] = &[
    ("key path", "allowed"),
    ("key path, other transaction", "mempool-script-verify-flag-failed"),
    ("key path with annex", "bad-witness-nonstandard"),
    ("anchor", "allowed"),
    ("anchor with witness", "bad-witness-nonstandard"),
    ("future witness version", "bad-txns-nonstandard-inputs, input 0 witness program is undefined"),
    ("nested script", "allowed"),
    (
        "nested script without script sig",
        "bad-txns-nonstandard-inputs, input 0 P2SH redeemscript missing",
    ),
];

/// Replacement, and the rules of version 3, in the order sent.
pub(crate) const REPLACEMENT: &[(&str, &str)] = &[
    ("first", "sent"),
    ("first again", "sent"),
    ("first again, rehearsed", "txn-already-in-mempool"),
    ("other witness, rehearsed", "txn-same-nonwitness-data-in-mempool"),
    (
        "conflict, less fee",
        "-26 insufficient fee, rejecting replacement <id>, less fees than conflicting txs; 0.00000999 < 0.00001",
    ),
    (
        "conflict, same fee",
        "insufficient fee, rejecting replacement <id>, not enough additional fees to relay; 0.00 < 0.0000001",
    ),
    (
        "conflict, little more",
        "-26 insufficient fee, rejecting replacement <id>, not enough additional fees to relay; 0.00000009 < 0.0000001",
    ),
    (
        "spends what it replaces",
        "-26 bad-txns-spends-conflicting-tx, <id> spends conflicting transaction <id>",
    ),
    ("conflict, enough more", "sent"),
    ("to be confirmed", "sent"),
    ("confirmed", "-27 Transaction outputs already in utxo set"),
    ("confirmed, rehearsed", "txn-already-known"),
    ("loser", "-25 bad-txns-inputs-missingorspent"),
    ("parent", "sent"),
    (
        "version 2 child",
        "-26 TRUC-violation, non-version=3 tx <id> (wtxid=<id>) cannot spend from version=3 tx <id> (wtxid=<id>)",
    ),
    (
        "large child",
        "-26 TRUC-violation, version=3 child tx <id> (wtxid=<id>) is too big: 1085 > 1000 virtual bytes",
    ),
    ("child", "sent"),
    (
        "poor sibling",
        "-26 insufficient fee (including sibling eviction), rejecting replacement <id>, not enough additional fees to relay; 0.00 < 0.0000001",
    ),
    ("rich sibling", "sent"),
    (
        "evicted child",
        "-26 insufficient fee (including sibling eviction), rejecting replacement <id>, less fees than conflicting txs; 0.00001 < 0.00002",
    ),
    ("grandchild", "-26 TRUC-violation, tx <id> (wtxid=<id>) would have too many ancestors"),
    ("child of both outputs", "sent"),
    ("old", "sent"),
    (
        "version 3 child of version 2",
        "-26 TRUC-violation, version=3 tx <id> (wtxid=<id>) cannot spend from non-version=3 tx <id> (wtxid=<id>)",
    ),
];

/// Packages of version 3, in the order submitted.
pub(crate) const PACKAGES: &[(&str, &str)] = &[
    ("parent alone", "-26 min relay fee not met, 0 < 11"),
    ("parent alone as package", "transaction failed | min relay fee not met, 0 < 11 | replaced 0"),
    ("child alone", "-25 bad-txns-inputs-missingorspent"),
    ("rehearsed together", "min relay fee not met, 0 < 11 | -"),
    (
        "wrong order",
        "-25 package topology disallowed. not child-with-parents or parents depend on each other.",
    ),
    (
        "twice the parent",
        "-25 package topology disallowed. not child-with-parents or parents depend on each other.",
    ),
    (
        "unrelated",
        "-25 package topology disallowed. not child-with-parents or parents depend on each other.",
    ),
    (
        "child pays nothing",
        "transaction failed | min relay fee not met, 0 < 11 | min relay fee not met, 0 < 25 | replaced 0",
    ),
    (
        "child leaves the anchor",
        "unspent-dust | min relay fee not met, 0 < 11 | missing-ephemeral-spends, tx <id> (wtxid=<id>) did not spend parent's ephemeral dust | replaced 0",
    ),
    (
        "version 2 child",
        "TRUC-violation, non-version=3 tx <id> (wtxid=<id>) cannot spend from version=3 tx <id> (wtxid=<id>) | min relay fee not met, 0 < 11 | bad-txns-inputs-missingorspent | replaced 0",
    ),
    (
        "large child",
        "TRUC-violation, version=3 child tx <id> (wtxid=<id>) is too big: 1126 > 1000 virtual bytes | min relay fee not met, 0 < 11 | bad-txns-inputs-missingorspent | replaced 0",
    ),
    (
        "child with a bad script",
        "transaction failed | min relay fee not met, 0 < 11 | mempool-script-verify-flag-failed",
    ),
    ("good", "success | 109 vB with 2 | 137 vB with 2 | replaced 0"),
    ("again", "success | 109 vB before | 137 vB before | replaced 0"),
    ("better child", "success | 109 vB before | 137 vB with 1 | replaced 1"),
    (
        "child back",
        "transaction failed | 109 vB before | insufficient fee, rejecting replacement <id>, less fees than conflicting txs; 0.00001 < 0.000015 | replaced 0",
    ),
    (
        "rival, poor",
        "package RBF failed: insufficient anti-DoS fees, rejecting replacement <id>, not enough additional fees to relay; 0.00 < 0.00000029 | min relay fee not met, 0 < 16 | bad-txns-inputs-missingorspent | replaced 0",
    ),
    ("rival, rich", "success | 152 vB with 2 | 137 vB with 2 | replaced 2"),
    (
        "loser",
        "package RBF failed: insufficient anti-DoS fees, rejecting replacement <id>, less fees than conflicting txs; 0.00001 < 0.00009 | min relay fee not met, 0 < 11 | bad-txns-inputs-missingorspent | replaced 0",
    ),
    ("confirmed", "transaction failed | txn-already-known | txn-already-known | replaced 0"),
    ("after a reorganisation", "success | 152 vB before | 137 vB before | replaced 0"),
    ("confirmed again", "transaction failed | txn-already-known | txn-already-known | replaced 0"),
];

/// Packages of version 2, where fees alone are special.
pub(crate) const PACKAGES_2: &[(&str, &str)] = &[
    (
        "version 2, two parents",
        "success | 96 vB with 3 | 96 vB with 3 | 137 vB with 3 | replaced 0",
    ),
    (
        "version 2, conflict",
        "transaction failed | 96 vB before | insufficient fee, rejecting replacement <id>, less fees than conflicting txs; 0.00001 < 0.00002 | replaced 0",
    ),
    ("version 2, dust taken", "success | 139 vB with 2 | 137 vB with 2 | replaced 0"),
];

/// What enters, and how deep each is after one block.
pub(crate) const MINED: &[(&str, &str)] = &[
    ("replacement", "sent"),
    ("cheap", "sent"),
    ("its child", "sent"),
    ("parent mined", "1"),
    ("child mined", "1"),
    ("orphaned parent mined", "0"),
    ("replaced child mined", "gone"),
    ("replacement mined", "1"),
    ("cheap mined", "1"),
    ("its child mined", "1"),
];

/// Blocks of chosen transactions.
pub(crate) const BLOCKS: &[(&str, &str)] = &[
    (
        "missing input",
        "-25 TestBlockValidity failed: bad-txns-inputs-missingorspent, CheckTxInputs: inputs missing/spent in transaction <id>",
    ),
    ("no script", "-25 TestBlockValidity failed: block-script-verify-flag-failed"),
    ("non-final", "-25 TestBlockValidity failed: bad-txns-nonfinal, non-final transaction"),
    (
        "too young",
        "-25 TestBlockValidity failed: bad-txns-nonfinal, contains a non-BIP68-final transaction <id>",
    ),
    (
        "immature",
        "-25 TestBlockValidity failed: bad-txns-premature-spend-of-coinbase, tried to spend coinbase at depth 1 in transaction <id>",
    ),
    (
        "too much",
        "-25 TestBlockValidity failed: bad-txns-in-belowout, value in (50.00) < value out (50.00000001) in transaction <id>",
    ),
    (
        "double spend",
        "-25 TestBlockValidity failed: bad-txns-inputs-missingorspent, CheckTxInputs: inputs missing/spent in transaction <id>",
    ),
    (
        "child before parent",
        "-25 TestBlockValidity failed: bad-txns-inputs-missingorspent, CheckTxInputs: inputs missing/spent in transaction <id>",
    ),
    ("no fee and no standard", "mined"),
];
