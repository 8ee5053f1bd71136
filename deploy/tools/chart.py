"""Lints and renders the chart as Helm does, and shows that its schema refuses what would lose money or not work.

`cargo xtask operations` runs it with the Python of its tools, which has Helm as a library:

    python chart.py CHART OUT

writes for each values file OUT/NAME.yaml, what Kubernetes would be sent, and OUT/NAME.toml, what the node would read.
"""

import pathlib
import shutil
import sys
import tempfile

import helm_python as helm
import yaml

RECIPIENT = "age1" + "q" * 58
DIGEST = "sha256:" + "0" * 64

# What no values file has and somebody will set, by name.
VARIANTS = {
    "everything": {
        "image": {"repository": "registry.example:5000/pay/strait", "digest": DIGEST, "pullSecrets": [{"name": "pull"}]},
        "config": {"log_level": "info,strait_net=debug", "net": {"peers_max": 64}, "locks": {"forward": False}},
        "secrets": {
            name: {"existingSecret": "strait-" + name.lower(), "key": "value"}
            for name in ("seed", "seedPassphrase", "apiToken", "chainCookie")
        },
        "api": {"expose": True, "tls": {"existingSecret": "strait-tls", "clientCaKey": "ca.crt"}},
        "p2p": {"quic": False, "service": {"type": "NodePort", "annotations": {"a/b": "c"}}},
        "persistence": {"size": "1Ti", "storageClass": "fast"},
        "backup": {"enabled": True, "recipient": RECIPIENT, "existingClaim": "vault", "storageClass": "slow"},
        "ship": {"existingClaim": "second"},
        "networkPolicy": {
            "apiFrom": [{"podSelector": {"matchLabels": {"app": "till"}}}],
            "metricsFrom": [{"namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "monitoring"}}}],
            "extraEgress": [{"to": [{"ipBlock": {"cidr": "10.0.0.0/8"}}]}],
        },
        "tolerations": [{"key": "pay", "operator": "Exists"}],
        "nodeSelector": {"pool": "pay"},
        "affinity": {"nodeAffinity": {}},
        "priorityClassName": "high",
    },
    "stopped": {"replicas": 0, "backup": {"enabled": False}, "networkPolicy": {"enabled": False}},
}

# Values that must be refused, each with a word of the refusal.
REFUSED = [
    ({"replicas": 2}, "/replicas"),
    ({"config": {"ship": {"folder": "/x"}}}, "folder"),
    ({"prometheusRule": {"book": "book.example"}}, "/prometheusRule/book"),
    ({"replicas": -1}, "/replicas"),
    ({"replica": 1}, "replica"),
    ({"image": {"tag": "latest"}}, "/image/tag"),
    ({"image": {"repository": ""}}, "/image/repository"),
    ({"image": {"digest": "sha256:abc"}}, "/image/digest"),
    ({"config": {"chain": {"network": "testnet3"}}}, "/config/chain/network"),
    ({"config": {"chain": {"cookie_file": "/c"}}}, "cookie_file"),
    ({"config": {"data_dir": "/tmp"}}, "data_dir"),
    ({"config": {"metrics_port": 1}}, "metrics_port"),
    ({"config": {"metrics": {"address": "0.0.0.0"}}}, "metrics"),
    ({"config": {"rpc_url": "http://user:password@bitcoind:8332"}}, "/config/rpc_url"),
    ({"config": {"p2p_listen": ["/ip4/0.0.0.0/tcp/1"]}}, "/config/p2p_listen"),
    ({"config": {"api": {"allow_remote_without_tls": True}}}, "allow_remote_without_tls"),
    ({"config": {"wallet": {"seed_file": "/s"}}}, "seed_file"),
    ({"config": {"channel": {"delay_blocks": 1.5}}}, "/config/channel"),
    ({"config": {"channel": {"Delay": 1}}}, "/config/channel"),
    ({"secrets": {"seed": {"value": "abandon abandon"}}}, "/secrets/seed"),
    ({"secrets": {"seed": {"existingSecret": "Not A Name"}}}, "/secrets/seed"),
    ({"persistence": {"accessMode": "ReadWriteMany"}}, "/persistence/accessMode"),
    ({"persistence": {"size": "much"}}, "/persistence/size"),
    ({"backup": {"recipient": "AGE-SECRET-KEY-1QQ"}}, "/backup/recipient"),
    ({"backup": {"schedule": "nightly"}}, "/backup/schedule"),
    ({"terminationGracePeriodSeconds": 5}, "/terminationGracePeriodSeconds"),
    ({"podDisruptionBudget": {"maxUnavailable": 2}}, "/podDisruptionBudget"),
    ({"p2p": {"service": {"type": "ExternalName"}}}, "/p2p/service/type"),
    ({"resources": {"requests": {"cpu": "1"}}, "fullnameOverride": "Alice"}, "/fullnameOverride"),
    # What only the templates can see.
    ({"api": {"expose": True}}, "api.tls.existingSecret"),
    ({"persistence": {"accessMode": "ReadWriteOncePod"}}, "ReadWriteOncePod"),
    ({"config": {"chain": {"network": "mainnet"}}}, "backup.recipient"),
    ({"config": {"chain": {"network": "mainnet"}}, "backup": {"enabled": False}}, "backup.enabled"),
]


def main() -> int:
    """Runs all checks; the number of those that failed is above zero if there was one."""
    chart, out = pathlib.Path(sys.argv[1]), pathlib.Path(sys.argv[2])
    out.mkdir(parents=True, exist_ok=True)
    cases = {path.stem.removeprefix("values-"): yaml.safe_load(path.read_text()) for path in chart.glob("values-*.yaml")}
    # Its file leaves out the one thing that nobody else can choose.
    cases["mainnet"].setdefault("backup", {})["recipient"] = RECIPIENT
    cases.update(VARIANTS)
    faults = []
    cargo = (chart / "../../Cargo.toml").read_text()
    version = yaml.safe_load((chart / "Chart.yaml").read_text())["appVersion"]
    if f'\nversion = "{version}"\n' not in cargo:
        faults.append(f"Chart.yaml: appVersion {version} is not the version in Cargo.toml")
    for name, values in sorted(cases.items()):
        faults += lint(chart, name, values)
    with helm.Chart.load(chart) as loaded:
        for name, values in sorted(cases.items()):
            faults += render(loaded, name, values, out)
        for values, word in REFUSED:
            faults += refuse(loaded, values, word)
    faults += monitor(chart)
    for fault in faults:
        print(fault, file=sys.stderr)
    print(f"{len(cases)} sets of values rendered, {len(REFUSED)} refused", file=sys.stderr)
    return 1 if faults else 0


def lint(chart, name, values):
    """What `helm lint --strict` finds; that the chart has no icon is no fault."""
    report = helm.lint(chart, values, strict=True)
    found = [message["error"] for message in report["messages"] if message["severity"] > 1]
    return [f"lint {name}: {fault}" for fault in found + report["errors"]]


def render(chart, name, values, out):
    """Writes what the chart becomes, and checks what no schema of Kubernetes knows."""
    chart.validate_schema(chart.merge_values(values))
    files = chart.render(values, name="alice", namespace="pay")
    parts = [text for path, text in sorted(files.items()) if path.endswith(".yaml") and text.strip()]
    objects = [part for text in parts for part in yaml.safe_load_all(text) if part]
    (out / f"{name}.yaml").write_text("".join("---\n" + yaml.safe_dump(part) for part in objects))
    settings = next(part for part in objects if part["kind"] == "ConfigMap")["data"]["node.toml"]
    (out / f"{name}.toml").write_text(settings)
    faults = []
    for part in objects:
        what = f"{name}: {part['kind']} {part['metadata']['name']}"
        if part["metadata"].get("namespace") != "pay":
            faults.append(f"{what} is not in the release's namespace")
        if part["kind"] == "Secret":
            faults.append(f"{what}: the chart makes no secrets")
        if part["kind"] == "Service":
            faults += [f"{what}: a port without a protocol" for port in part["spec"]["ports"] if "protocol" not in port]
    pods = [part for part in objects if part["kind"] == "StatefulSet"]
    if [pod["spec"]["replicas"] for pod in pods] != [values.get("replicas", 1)]:
        faults.append(f"{name}: there is to be one StatefulSet with one pod")
    return faults


def monitor(chart):
    """Renders what only clusters with the Prometheus operator get; this Helm cannot be told that there is one."""
    with tempfile.TemporaryDirectory() as folder:
        copy = pathlib.Path(folder) / "strait"
        shutil.copytree(chart, copy)
        template = copy / "templates/monitoring.yaml"
        text = template.read_text()
        asked = '.Capabilities.APIVersions.Has "monitoring.coreos.com/v1"'
        template.write_text(text.replace(asked, "true"))
        with helm.Chart.load(copy) as loaded:
            values = {"prometheusRule": {"book": "https://book.example"}, "serviceMonitor": {"labels": {"release": "p"}}}
            made = loaded.render(values, name="alice", namespace="pay")["strait/templates/monitoring.yaml"]
    objects = {part["kind"]: part for part in yaml.safe_load_all(made) if part}
    if asked not in text or set(objects) != {"ServiceMonitor", "PrometheusRule"}:
        return [f"monitoring: {sorted(objects)} are made, and only where the cluster knows them"]
    source = (chart / "files/rules.yaml").read_text().replace("{{ $externalLabels.book }}", "https://book.example")
    if objects["PrometheusRule"]["spec"] != yaml.safe_load(source):
        return ["monitoring: the PrometheusRule is not what deploy/prometheus/rules.yaml says"]
    return []


def refuse(chart, values, word):
    """A fault unless the schema or a template refuses the values and says why."""
    try:
        chart.validate_schema(chart.merge_values(values))
        chart.render(values, name="alice", namespace="pay")
    except helm.HelmError as error:
        return [] if word in str(error) else [f"{values} is refused without naming {word}: {error}"]
    return [f"{values} is not refused"]


if __name__ == "__main__":
    sys.exit(main())
